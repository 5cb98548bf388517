// Parts that change by themselves (marked data-fresh) are fetched again every few seconds and replaced when they say something new.

import { showScripted, showTimes } from "./console.js";

const EVERY_MS = 3000;
const said = new Map();

async function look() {
  setTimeout(look, EVERY_MS);
  if (document.hidden) return;
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!reply.ok || reply.redirected) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    for (const fresh of page.querySelectorAll("[data-fresh]")) {
      const known = document.getElementById(fresh.id);
      const text = fresh.innerHTML;
      if (!known || said.get(fresh.id) === text) continue;
      // Nothing is taken from under somebody's hands.
      if (known.contains(document.activeElement)) continue;
      said.set(fresh.id, text);
      for (const one of fresh.querySelectorAll("details[id]")) one.open = !!document.getElementById(one.id)?.open;
      known.className = fresh.className;
      known.replaceChildren(...fresh.childNodes);
      showScripted(known);
      showTimes(known);
    }
  } catch {
    // The server is away for a moment: the next look tells.
  }
}

setTimeout(look, EVERY_MS);
