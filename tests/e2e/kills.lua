-- wrk's script for test_killed_clients.py: each thread has one connection and one person, and numbers that person's events. Every number
-- that was answered with 200 is written to a file at once.
--
--   wrk -s kills.lua URL -- PERSON AUTHORIZATION FOLDER PAUSE_MS

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local person, head, answered, pause_ms
local n = -1

function init(args)
  person = args[1] .. "-" .. number
  pause_ms = tonumber(args[4])
  answered = assert(io.open(args[3] .. "/" .. number, "w"))
  head = "POST /v1/track HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nAuthorization: " .. args[2] .. "\r\nContent-Length: "
end

function request()
  n = n + 1
  local body = string.format(
    '{"userId":"%s","event":"numbered","messageId":"%s-%d","properties":{"n":%d}}', person, person, n, n)
  return head .. #body .. "\r\n\r\n" .. body
end

-- With one connection a thread, the answer is that of the request before it.
function response(status)
  if status == 200 then
    answered:write(n, "\n")
    answered:flush()
  end
end

function delay()
  return pause_ms
end
