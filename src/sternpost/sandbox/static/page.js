// Keeps the page of the sandbox fresh: asks every second whether anything changed, and takes over the new rows.
// Only <main> is replaced, so an open list of switches or a half-typed value stays as it is.
const INTERVAL_MS = 1000;
const live = document.getElementById("live");
let shown = document.getElementById("main").dataset.version;

function say(text, state) {
  if (live.textContent !== text) live.textContent = text;
  live.dataset.state = state;
}

async function refresh() {
  const summary = await (await fetch("/__sandbox/summary")).json();
  if (String(summary.version) !== shown) {
    const text = await (await fetch("/__sandbox/")).text();
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const main = fresh.getElementById("main");
    shown = main.dataset.version;
    document.title = fresh.title;
    document.getElementById("main").replaceChildren(...main.childNodes);
  }
  say("Live", "on");
}

async function run() {
  for (;;) {
    if (document.visibilityState === "visible") {
      try {
        await refresh();
      } catch {
        say("Reconnecting…", "off");
      }
    }
    await new Promise((done) => setTimeout(done, INTERVAL_MS));
  }
}

run();
