// Shows what would be sent while somebody types. The server computes it; nothing is sent to a destination.

const WAIT_MS = 300;
const form = document.getElementById("try");
const text = document.getElementById("event");
const result = document.getElementById("result");
let timer;
let latest = 0;

async function look() {
  const mine = ++latest;
  try {
    const reply = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    // A later look may have been answered before.
    if (mine !== latest || !reply.ok || reply.redirected) return;
    const open = [...result.querySelectorAll("details")].map((one) => one.open);
    result.innerHTML = await reply.text();
    result.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? false; });
  } catch {
    // The server is away for a moment: the next change looks again.
  }
}

text.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(look, WAIT_MS);
});
