-- wrk's script: POSTs of SDK-shaped events, each with a messageId of its own.
--
--   wrk -s load.lua URL -- TEMPLATES BATCH PEOPLE REQUESTS_MAX RUN AUTHORIZATION RESULT
--
-- TEMPLATES holds one template a line (see bodies.py), BATCH is the number of events in a body (0: a single event, not a batch),
-- REQUESTS_MAX bounds each thread, RUN (8 characters) is part of every messageId, RESULT is the JSON file that `done` writes: what was
-- answered, all latencies, and how many requests each thread has begun, so that every one can be looked for afterwards.

local ffi = require("ffi")
ffi.cdef [[
typedef struct { long sec; long usec; } bench_time;
int gettimeofday(bench_time *now, void *zone);
]]
local clock = ffi.new("bench_time")

local function now_s()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.sec) + tonumber(clock.usec) / 1e6
end

-- In the main state: the threads, to read their counters at the end.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- In each thread's state.
local templates, batch, people, requests_max, run, head
sent, bytes, began_at, ended_at = 0, 0, 0, 0
result = ""

local accounts = 50

function init(args)
  templates = {}
  for line in io.lines(args[1]) do
    local pieces, place = {}, 1
    while true do
      local first, last, name = line:find("@(%u+)@", place)
      if not first then break end
      table.insert(pieces, line:sub(place, first - 1))
      table.insert(pieces, name)
      place = last + 1
    end
    table.insert(pieces, line:sub(place))
    table.insert(templates, pieces)
  end
  batch, people, requests_max = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  run, result = args[5], args[7]
  math.randomseed(os.time() * 100 + number)
  head = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nAuthorization: " .. args[6]
    .. "\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nContent-Length: "
end

-- wrk calls `request` once in the first thread to look at it, and does not send it.
local looked_at = false

local second, stamp = 0, ""

local function timestamp()
  local now = os.time()
  if now ~= second then
    second, stamp = now, os.date("!%Y-%m-%dT%H:%M:%S", now)
  end
  return stamp
end

local values = {}

local function fill(out, request, position)
  -- Each thread walks through the people at another place, so that they do not go in step.
  local n = request * math.max(batch, 1) + position + number * 7919
  local person = n % people
  -- It begins at random, as UUIDs do: the store's index must not have it easier than in real life.
  values.MESSAGE = string.format("%08x-%s-%02d-%010d-%04d", math.random(0, 4294967295), run, number, request, position)
  values.USER = string.format("user-%06d", person)
  values.ACCOUNT = string.format("account-%03d", person % accounts)
  values.NOW = string.format("%s.%03dZ", timestamp(), n % 1000)
  values.N = tostring(n)
  local pieces = templates[n % #templates + 1]
  for place = 1, #pieces do
    out[#out + 1] = place % 2 == 1 and pieces[place] or values[pieces[place]]
  end
end

function request()
  if number == 0 and not looked_at then
    looked_at = true
    return head .. "2\r\n\r\n{}"
  end
  if sent == 0 then began_at = now_s() end
  local out = {}
  if batch == 0 then
    fill(out, sent, 0)
  else
    out[1] = '{"batch":['
    for position = 0, batch - 1 do
      if position > 0 then out[#out + 1] = "," end
      fill(out, sent, position)
    end
    out[#out + 1] = "]}"
  end
  local body = table.concat(out)
  sent, bytes = sent + 1, bytes + #body
  if sent >= requests_max and ended_at == 0 then
    ended_at = now_s()
    wrk.thread:stop()
  end
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
  local seconds, begun, body_bytes = summary.duration / 1e6, {}, 0
  local path
  for _, thread in ipairs(threads) do
    path = thread:get("result")
    table.insert(begun, thread:get("sent"))
    body_bytes = body_bytes + thread:get("bytes")
    local ended_at = thread:get("ended_at")
    if ended_at > 0 then seconds = math.min(seconds, ended_at - thread:get("began_at")) end
  end
  local counts = {}
  for index = 1, #latency do
    local value, count = latency(index)
    counts[index] = string.format("[%d,%d]", value, count)
  end
  local errors = summary.errors
  local file = assert(io.open(path, "w"))
  file:write(string.format(
    '{"answered":%d,"seconds":%.6f,"begun":[%s],"body_bytes":%d,"status_errors":%d,"socket_errors":%d,"latency_us":[%s]}\n',
    summary.requests, seconds, table.concat(begun, ","), body_bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(counts, ",")))
  file:close()
end
