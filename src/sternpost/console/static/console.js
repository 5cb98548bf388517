// On every page: times in the reader's zone, copy buttons, keys. Reading works without it.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const MINUTE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function relative(at) {
  const seconds = (at - Date.now()) / 1000;
  const [unit, size] = STEPS.find(([, one]) => Math.abs(seconds) >= one) || STEPS[3];
  return RELATIVE.format(Math.round(seconds / size), unit);
}

export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time")) {
    const at = new Date(element.dateTime);
    if (isNaN(at)) continue;
    element.title = `${EXACT.format(at)} · ${element.dateTime}`;
    const text = "relative" in element.dataset ? relative(at) : "day" in element.dataset ? DAY.format(at) : "minute" in element.dataset ? MINUTE.format(at) : CLOCK.format(at);
    if (element.textContent !== text) element.textContent = text;
  }
}

export function showScripted(root = document) {
  for (const element of root.querySelectorAll(".script[hidden]")) element.hidden = false;
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS browsers give no clipboard: then the text is at least selected.
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    done = false;
  }
  button.textContent = done ? "Copied" : "Selected";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

// One more row in a form, without asking the server for it: the last one again, empty, with the next number.
function addRow(button) {
  const rows = document.querySelector(`[data-rows="${CSS.escape(button.dataset.more)}"]`);
  const last = rows.lastElementChild;
  const number = Number(last.dataset.row);
  const row = last.cloneNode(true);
  row.dataset.row = number + 1;
  for (const element of row.querySelectorAll("*")) {
    for (const name of ["id", "name", "for", "aria-describedby"]) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.replaceAll(`${button.dataset.more}.${number}.`, `${button.dataset.more}.${number + 1}.`));
    }
    element.removeAttribute("aria-invalid");
    if (element.matches(".number")) element.textContent = number + 2;
    if (element.matches(".field-problem")) element.remove();
    if (element.matches("input, textarea")) element.value = "";
  }
  rows.append(row);
  row.querySelector("input").focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-more]");
  if (!button) return;
  event.preventDefault();
  addRow(button);
});

const keys = document.getElementById("keys");
const off = document.getElementById("keys-off");
if (off) {
  off.checked = localStorage.getItem("sternpost-keys") === "off";
  off.addEventListener("change", () => localStorage.setItem("sternpost-keys", off.checked ? "off" : "on"));
  document.getElementById("keys-button").addEventListener("click", () => keys.showModal());
}

function move(by) {
  const rows = [...document.querySelectorAll(".rows tbody tr")].filter((row) => row.offsetParent);
  if (!rows.length) return false;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  row.querySelector("a.open").focus();
  return true;
}

let going = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (document.activeElement.closest(".rows") && move(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
    return;
  }
  if (!off || off.checked) return;
  if (going && Date.now() - going < 1500) {
    going = 0;
    const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (link) { link.click(); event.preventDefault(); }
    return;
  }
  const doing = {
    "/": () => document.getElementById("search").focus(),
    g: () => { going = Date.now(); },
    j: () => move(1),
    k: () => move(-1),
    p: () => document.getElementById("pause")?.click(),
    c: () => document.querySelector("[data-copy=as-command]")?.click(),
    "?": () => keys.showModal(),
  }[event.key];
  if (doing) { doing(); event.preventDefault(); }
});

showScripted();
showTimes();
setInterval(showTimes, 10000);
