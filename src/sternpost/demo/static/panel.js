// The panel: the fate of this visitor's last events, from the server, and what the sandbox holds. It only asks.

const POLL_MS = 1000;
const BUSY_POLL_MS = 300;
const SDK_MS = 8000;
const FINAL = new Set(["delivered", "skipped", "rejected"]);
const WORDS = {
  pending: "○ pending",
  held: "◇ held",
  retrying: "↻ retrying",
  blocked: "‖ blocked",
  delivered: "✓ delivered",
  browser: "✓ by the browser",
  skipped: "⊘ skipped",
  rejected: "✕ rejected",
  kept: "✓ kept, no destination",
};

const $ = (id) => document.getElementById(id);
const openedAt = Date.now();
const sdk = () => window.rudderanalytics;
const ask = (getter) => (typeof sdk()?.[getter] === "function" ? sdk()[getter]() : undefined);

// --- who this is ----------------------------------------------------------------------------------------------------------

function showWho() {
  const user = ask("getUserId");
  const text = user ? `You are signed in as ${ask("getUserTraits").name ?? user} (${user}).` : "You are anonymous.";
  if ($("who").textContent !== text) $("who").textContent = text;
  for (const button of document.querySelectorAll("[data-person]")) button.disabled = button.dataset.person === user;
  $("sign-out").disabled = !user;
}

// --- the visitor's events and their fate ------------------------------------------------------------------------------------

const rows = new Map();
let isOpen = true;

function showEvents(found) {
  if (!found) {
    $("sent-status").textContent = "Sternpost does not answer. The SDK keeps what you do and sends it when the server is back.";
    return;
  }
  $("sent-status").textContent = found.events.length ? "The last events of this browser, the newest first." : waitingText();
  isOpen = !found.events.length || found.events.some((event) => event.destinations.some((one) => !FINAL.has(one.state)));
  const items = found.events.map((event) => {
    const row = rows.get(event.messageId) ?? makeRow(event);
    rows.set(event.messageId, row);
    showFate(row, event);
    return row.item;
  });
  if (items.some((item, place) => $("log").children[place] !== item) || items.length !== $("log").children.length) {
    $("log").replaceChildren(...items);
  }
  if (found.events.length) {
    const { program, option } = $("follow").dataset;
    $("follow").textContent = `${program} events get ${found.events[0].messageId}${option}`;
  }
}

function waitingText() {
  if (ask("getAnonymousId") || Date.now() - openedAt < SDK_MS) return "Waiting for the first event…";
  return "The SDK did not load. Is something blocking scripts of this address?";
}

function makeRow(event) {
  const name = event.name || (event.type === "page" ? "" : event.userId);
  const row = { item: element("li"), state: element("span"), text: element("p"), title: name ? `${event.type} · ${name}` : event.type, word: "" };
  const head = element("div", "head");
  head.append(element("span", "what", row.title), row.state);
  const about = element("p", "id", `${event.userId || "anonymous"} · ${event.library} · `);
  about.append(element("code", "", event.messageId));
  row.item.append(head, row.text, about);
  return row;
}

function showFate(row, event) {
  // The least settled destination is what a person waits for.
  const fate = event.destinations.find((one) => !FINAL.has(one.state)) ?? event.destinations[0];
  const word = !fate ? "kept" : fate.reason === "sent_by_browser" ? "browser" : fate.state;
  if (word === row.word) return;
  row.word = word;
  const needsRemedy = fate && word !== "browser" && fate.state !== "delivered" && fate.remedy && !fate.remedy.startsWith("Nothing");
  row.state.textContent = WORDS[word] ?? word;
  row.state.className = `state ${word}`;
  if (word === "browser") row.text.textContent = `${fate.destination}: handed to the agent in this page; the server only keeps it.`;
  else row.text.textContent = fate
    ? [`${fate.destination}: ${fate.explanation || fate.state}`, needsRemedy ? fate.remedy : ""].join(" ").trim()
    : "This source has no connection to a destination.";
  if (!fate || FINAL.has(fate.state)) $("news").textContent = `${row.title}: ${WORDS[word] ?? word}`;
}

// --- what the sandbox holds -------------------------------------------------------------------------------------------------

const seen = {};

function showSandbox(state) {
  if (!state || state.error) {
    $("sandbox-status").textContent = state?.error ?? "Sternpost does not answer; trying again.";
    return;
  }
  $("sandbox-status").textContent = "Live; the rows with a mark are you.";
  for (const name of ["visitors", "accounts", "events"]) {
    const number = state.counts[name].toLocaleString();
    if ($(`count-${name}`).textContent !== number) $(`count-${name}`).textContent = number;
  }
  const mine = ask("getUserId") || `_PENDO_T_${ask("getAnonymousId")}`;
  const account = ask("getGroupId");
  fill("events", state.events, (one) => [one.event, one.visitorId, one.accountId || "–", pairs(one.properties)],
    (one) => `${one.timestamp} ${one.visitorId} ${one.event}`, (one) => one.visitorId === mine);
  fill("visitors", state.visitors, (one) => [one.id, one.accounts.join(", ") || "–", pairs(one.fields)], (one) => one.id, (one) => one.id === mine);
  fill("accounts", state.accounts, (one) => [one.id, pairs(one.fields)], (one) => one.id, (one) => one.id === account);
}

function fill(name, entries, cells, key, isMine) {
  const content = JSON.stringify([entries, entries.map(isMine)]);
  if (!entries.length || seen[name]?.content === content) return;
  const known = seen[name]?.keys;
  const body = entries.map((entry) => {
    const line = document.createElement("tr");
    if (known && !known.has(key(entry))) line.classList.add("new");
    if (isMine(entry)) line.classList.add("mine");
    line.append(...cells(entry).map((text) => element("td", "", text)));
    return line;
  });
  $(name).replaceChildren(...body);
  seen[name] = { content, keys: new Set(entries.map(key)) };
}

function pairs(object) {
  return Object.entries(object ?? {})
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ") || "–";
}

// --- while somebody looks ---------------------------------------------------------------------------------------------------

let timer = 0;
let isBusy = false;
let calledAt = openedAt;

async function tick() {
  if (isBusy) return;
  isBusy = true;
  clearTimeout(timer);
  showWho();
  const anonymousId = ask("getAnonymousId");
  const recent = anonymousId ? read(`recent/${encodeURIComponent(anonymousId)}`) : Promise.resolve({ events: [] });
  await Promise.all([recent.then(showEvents), read("sandbox-state").then(showSandbox)]);
  isBusy = false;
  if (!document.hidden) timer = setTimeout(tick, isOpen || Date.now() - calledAt < SDK_MS ? BUSY_POLL_MS : POLL_MS);
}

async function read(path) {
  try {
    const reply = await fetch(path, { cache: "no-store" });
    return reply.ok ? await reply.json() : null;
  } catch {
    return null;
  }
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

document.addEventListener("shop:called", () => {
  calledAt = Date.now();
  showWho();
  clearTimeout(timer);
  timer = setTimeout(tick, 100);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) tick();
});
tick();
