// The shop: sends events as the browser SDK does, and shows what became of them. No library, nothing from another host.

const POLL_MS = 1000;
const LOG_MAX = 20;
const WRITE_KEY = document.body.dataset.writeKey;
const FINAL = new Set(["delivered", "skipped", "rejected"]);
const WORDS = {
  sending: "… sending",
  pending: "○ pending",
  held: "◇ held",
  retrying: "↻ retrying",
  blocked: "‖ blocked",
  delivered: "✓ delivered",
  skipped: "⊘ skipped",
  rejected: "✕ rejected",
  failed: "✕ not accepted",
  kept: "✓ kept, no destination",
};
const CALLS = {
  identify: {
    userId: "name123",
    traits: {
      name: "Name Surname",
      first_name: "Name",
      last_name: "Surname",
      email: "name@surname.com",
      createdAt: "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)",
    },
  },
  group: {
    groupId: "groupId",
    traits: { name: "Company", industry: "Industry", employees: 123, email: "abc@xyz.com" },
  },
  track: { event: "test track event", properties: { revenue: 30, currency: "USD", userId: "12345" } },
};

const $ = (id) => document.getElementById(id);

// --- who this is: kept by the browser as an SDK keeps it ----------------------------------------------------------------

const memory = {};
function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(`sternpost-demo.${name}`)) ?? memory[name];
  } catch {
    return memory[name]; // storage may be forbidden; then it lasts as long as the page
  }
}
function remember(name, value) {
  memory[name] = value;
  try {
    localStorage.setItem(`sternpost-demo.${name}`, JSON.stringify(value));
  } catch {}
}

// crypto.randomUUID is missing where the page is not served from this machine or over TLS.
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

if (!recall("anonymousId")) remember("anonymousId", uuid());

// --- sending ------------------------------------------------------------------------------------------------------------

function message(type, call) {
  const page = {
    path: location.pathname,
    referrer: document.referrer || "$direct",
    search: location.search,
    title: document.title,
    url: location.href.split("#")[0],
  };
  const built = {
    channel: "web",
    type,
    messageId: uuid(),
    anonymousId: recall("anonymousId"),
    userId: recall("userId") ?? "",
    originalTimestamp: new Date().toISOString(),
    context: {
      app: { name: "Sternpost demo shop", namespace: "sternpost.demo", version: "1" },
      library: { name: "sternpost-demo", version: "1" },
      userAgent: navigator.userAgent,
      locale: navigator.language,
      screen: { width: screen.width, height: screen.height, density: devicePixelRatio },
      traits: recall("traits") ?? {},
      page,
    },
    integrations: { All: true },
  };
  switch (type) {
    case "page":
      return { ...built, name: "Demo shop", properties: { ...page, name: "Demo shop" } };
    case "group":
      return { ...built, groupId: call.groupId, traits: call.traits };
    case "track":
      return { ...built, event: call.event, properties: call.properties };
    default:
      return built;
  }
}

async function send(type) {
  const call = CALLS[type];
  if (type === "identify") {
    remember("userId", call.userId);
    remember("traits", call.traits);
    showWho();
  }
  const built = message(type, call);
  const entry = log(type, built);
  built.sentAt = new Date().toISOString();
  try {
    const reply = await fetch(`/v1/${type}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Basic ${btoa(`${WRITE_KEY}:`)}` },
      body: JSON.stringify(built),
      keepalive: true,
    });
    if (!reply.ok) throw new Error(`Sternpost answered ${reply.status}: ${(await reply.text()).slice(0, 200)}`);
    entry.accepted = true;
    show(entry, "pending", "Accepted: it is safe on disk.");
    wake();
  } catch (error) {
    entry.done = true;
    show(entry, "failed", error instanceof TypeError ? "Sternpost does not answer. Is it still running?" : error.message);
  }
}

// --- what was sent, and its fate ----------------------------------------------------------------------------------------

const entries = [];

function log(type, built) {
  const item = document.createElement("li");
  const head = element("div", "head");
  const state = element("span", "state");
  head.append(element("span", "what", title(type, built)), state);
  const text = element("p", "");
  const id = element("code", "id", built.messageId);
  item.append(head, text, id);
  const entry = { id: built.messageId, title: title(type, built), item, state, text, word: "", accepted: false, done: false };
  entries.unshift(entry);
  $("log").prepend(item);
  for (const old of entries.splice(LOG_MAX)) old.item.remove();
  $("sent-empty").hidden = true;
  $("follow").textContent = `sternpost events get ${built.messageId}`;
  show(entry, "sending", "On its way to Sternpost.");
  return entry;
}

function title(type, built) {
  const name = { identify: built.userId, group: built.groupId, track: built.event, page: built.name }[type];
  return name ? `${type} · ${name}` : type;
}

function show(entry, word, text) {
  if (entry.word !== word) {
    entry.state.textContent = WORDS[word] ?? word;
    entry.state.className = `state ${word}`;
    if (FINAL.has(word) || word === "failed") $("news").textContent = `${entry.title}: ${word}. ${text}`;
  }
  entry.word = word;
  entry.text.textContent = text;
}

async function follow(entry) {
  const found = await read(`fate/${encodeURIComponent(entry.id)}`);
  if (!found?.known) return;
  if (!found.destinations.length) {
    entry.done = true;
    show(entry, "kept", "This source has no connection to a destination.");
    return;
  }
  // The least settled destination is what a person waits for.
  const open = found.destinations.find((one) => !FINAL.has(one.state)) ?? found.destinations[0];
  const told = [open.explanation, open.state === "delivered" || open.remedy.startsWith("Nothing") ? "" : open.remedy].filter(Boolean).join(" ");
  show(entry, open.state, `${open.destination}: ${told || open.state}`);
  entry.done = found.destinations.every((one) => FINAL.has(one.state));
}

// --- what the sandbox received ------------------------------------------------------------------------------------------

const seen = { events: null, visitors: null, accounts: null };

function showSandbox(state) {
  if (!state || state.error) {
    $("sandbox-status").textContent = state?.error ?? "Sternpost does not answer; trying again.";
    return;
  }
  $("sandbox-status").textContent = "Live.";
  for (const name of ["visitors", "accounts", "events"]) {
    const number = state.counts[name].toLocaleString();
    if ($(`count-${name}`).textContent !== number) $(`count-${name}`).textContent = number;
  }
  fill("events", state.events, (one) => [one.event, one.visitorId, one.accountId || "–", pairs(one.properties)],
    (one) => `${one.timestamp} ${one.visitorId} ${one.event}`);
  fill("visitors", state.visitors, (one) => [one.id, one.accounts.join(", ") || "–", pairs(one.fields)], (one) => one.id);
  fill("accounts", state.accounts, (one) => [one.id, pairs(one.fields)], (one) => one.id);
}

function fill(name, rows, cells, key) {
  const content = JSON.stringify(rows);
  if (!rows.length || seen[name]?.content === content) return;
  const known = seen[name]?.keys;
  const body = rows.map((row) => {
    const line = document.createElement("tr");
    if (known && !known.has(key(row))) line.className = "new";
    line.append(...cells(row).map((text) => element("td", "", text)));
    return line;
  });
  $(name).replaceChildren(...body);
  seen[name] = { content, keys: new Set(rows.map(key)) };
}

function pairs(object) {
  return Object.entries(object ?? {})
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ") || "–";
}

// --- once a second while somebody looks ---------------------------------------------------------------------------------

let timer = 0;
let busy = false;

async function tick() {
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  const open = entries.filter((entry) => entry.accepted && !entry.done);
  await Promise.all([read("sandbox-state").then(showSandbox), ...open.map(follow)]);
  busy = false;
  if (!document.hidden) timer = setTimeout(tick, entries.some((entry) => entry.accepted && !entry.done) ? POLL_MS / 3 : POLL_MS);
}
function wake() {
  clearTimeout(timer);
  timer = setTimeout(tick, 100);
}

async function read(path) {
  try {
    const reply = await fetch(path, { cache: "no-store" });
    return reply.ok ? await reply.json() : null;
  } catch {
    return null;
  }
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function showWho() {
  const user = recall("userId");
  $("who").textContent = user ? `You are signed in as ${user}.` : "You are anonymous.";
  $("forget").hidden = !user;
}

for (const button of document.querySelectorAll("button[data-call]")) {
  button.addEventListener("click", () => send(button.dataset.call));
}
$("forget").addEventListener("click", () => {
  // As the SDK's reset(true): the next visitor of this browser is somebody else.
  remember("userId", "");
  remember("traits", {});
  remember("anonymousId", uuid());
  showWho();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wake();
});
showWho();
send("page");
tick();
