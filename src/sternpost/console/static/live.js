// Live events: rows come rendered from the server, and go to the top of the table. Paused, they wait and are counted.

import { showTimes } from "./console.js";

const table = document.getElementById("rows");
const body = table.tBodies[0];
const state = document.getElementById("live-state");
const pause = document.getElementById("pause");
const shown = document.getElementById("shown");
const most = Number(table.dataset.max);
const query = new URLSearchParams(location.search).get("q") || "";

let waiting = [];
let arrived = 0;
let lost = 0;
let paused = false;
let byScrolling = false;
let stream = null;

function say() {
  const gap = lost ? ` ${lost.toLocaleString("en")} changes came too fast to be shown here.` : "";
  const text = paused ? `Paused; ${arrived.toLocaleString("en")} changes since.` : stream && stream.readyState === 1 ? "Live." : "Reconnecting …";
  if (state.textContent !== text + gap) state.textContent = text + gap;
}

function put(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const row = holder.content.querySelector("tr");
  const known = body.querySelector(`tr[data-key="${row.dataset.key}"]`);
  if (known) {
    const focused = known.contains(document.activeElement);
    known.replaceWith(row);
    if (focused) row.querySelector("a.open").focus();
  } else {
    row.classList.add("new");
    body.prepend(row);
    while (body.rows.length > most) body.lastElementChild.remove();
  }
  showTimes(row);
}

function flush() {
  if (!waiting.length) return;
  waiting.forEach(put);
  waiting = [];
  table.hidden = false;
  document.getElementById("empty")?.remove();
  if (shown) shown.textContent = body.rows.length;
}

function setPaused(value) {
  paused = value;
  arrived = 0;
  pause.setAttribute("aria-pressed", String(value));
  pause.textContent = value ? "Go on" : "Pause";
  if (!value) flush();
  say();
}

// What happened while the connection was lost is on the page as it is now.
async function catchUp() {
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!reply.ok || reply.redirected) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    waiting.push(...[...page.querySelectorAll("#rows tbody tr")].map((row) => row.outerHTML).reverse());
    if (!paused) flush();
  } catch {
    // The next time it connects tells.
  }
}

let opened = false;

function open() {
  stream = new EventSource(`/console/live?q=${encodeURIComponent(query)}`);
  stream.onopen = () => {
    if (opened) catchUp();
    opened = true;
    say();
  };
  stream.onerror = () => {
    say();
    // A browser gives up when the answer was an error, say after a sign-out; then it is asked again, slowly.
    if (stream.readyState === 2) setTimeout(() => { if (!document.hidden && stream.readyState === 2) open(); }, 10000);
  };
  stream.onmessage = (event) => {
    const found = JSON.parse(event.data);
    lost += found.lost;
    waiting.push(...found.rows);
    waiting = waiting.slice(-most);
    arrived += found.rows.length;
    if (!paused) flush();
    say();
  };
}

pause.addEventListener("click", () => { byScrolling = false; setPaused(!paused); });
addEventListener("scroll", () => {
  const down = scrollY > 300;
  if (down && !paused) { byScrolling = true; setPaused(true); }
  else if (!down && paused && byScrolling) { byScrolling = false; setPaused(false); }
}, { passive: true });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stream.close();
  else if (stream.readyState === 2) open();
});
addEventListener("pagehide", () => stream.close());
open();
