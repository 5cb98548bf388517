// Waits for the first event of an app, and shows the page anew when it came or when what is refused changed.

import { showScripted, showTimes } from "./console.js";

async function look() {
  const waiting = document.getElementById("waiting");
  if (waiting.classList.contains("done")) return;
  setTimeout(look, 2000);
  if (document.hidden) return;
  try {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!reply.ok || reply.redirected) return;
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("waiting");
    showTimes(fresh);
    if (fresh.textContent === waiting.textContent) return;
    waiting.className = fresh.className;
    waiting.innerHTML = fresh.innerHTML;
    showScripted(waiting);
  } catch {
    // The server is away for a moment: the next look tells.
  }
}

look();
