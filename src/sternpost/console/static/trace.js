// While an event is not settled its page is fetched again, and changed only where something new is said.

import { showScripted, showTimes } from "./console.js";

const EVERY_MS = 1500;

function open(root) {
  return new Set([...root.querySelectorAll("details[open][id]")].map((one) => one.id));
}

async function look() {
  const trace = document.getElementById("trace");
  if (trace.dataset.final === "yes") return;
  setTimeout(look, EVERY_MS);
  if (document.hidden) return;
  const watching = document.getElementById("watching");
  let reply;
  try {
    reply = await fetch(location.href, { headers: { Accept: "text/html" } });
  } catch {
    if (watching) watching.textContent = "Not live: the server does not answer. Trying again …";
    return;
  }
  if (!reply.ok || reply.redirected) return;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("trace");
  if (!fresh || fresh.dataset.version === trace.dataset.version) return;
  const unfolded = open(trace);
  const pane = trace.querySelector("[name=pane]:checked")?.id;
  for (const one of fresh.querySelectorAll("details[id]")) one.open = unfolded.has(one.id);
  // The verdict stays the same element, so that a screen reader says what changed in it.
  const verdict = trace.querySelector("#verdict");
  const said = fresh.querySelector("#verdict");
  if (verdict.innerHTML !== said.innerHTML) verdict.innerHTML = said.innerHTML;
  said.replaceWith(verdict);
  trace.replaceWith(fresh);
  if (pane) document.getElementById(pane).checked = true;
  showScripted(fresh);
  showTimes(fresh);
}

look();
