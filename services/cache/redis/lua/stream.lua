-- The invalidation stream. Every script that uses positions requires this file.
--
-- The id of an event is its offset. Its fields are its epoch and the tags that it invalidates. An event without tags
-- begins an epoch. KEYS[1] is the stream. ARGV[1] is the id of the server that the caller expects.

local STREAM, SERVER_ID = KEYS[1], ARGV[1]
local MAX_EVENTS = 10000

-- Returns a whole number as text. Lua itself would write 1.7e+15.
local function digits(number)
  return string.format('%.0f', number)
end

-- Appends an event and returns its position. Offsets follow the clock, so that a new stream after a loss starts above
-- the positions of the old one.
local function append(after, epoch, tags)
  local now = redis.call('TIME')
  local offset = math.max(after + 1, now[1] * 1000000 + now[2])
  epoch = epoch or (SERVER_ID .. '-' .. digits(offset))
  redis.call('XADD', STREAM, 'MAXLEN', '~', MAX_EVENTS, digits(offset) .. '-0', 'epoch', epoch, 'tags', tags)
  return epoch, offset
end

-- Returns the epoch and offset of the last event, or nil.
local function last_event()
  local event = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
  if event then
    return event[2][2], tonumber(string.match(event[1], '^%d+'))
  end
end

-- Returns the present position. If the stream is missing (flushed, evicted), begins a new epoch.
local function position()
  local epoch, offset = last_event()
  if epoch then
    return epoch, offset
  end
  return append(0, nil, '')
end

-- Returns the offset of each tag's last invalidation, false for a tag that is missing or not a number.
local function tag_offsets(tags)
  local offsets = {}
  if #tags > 0 then
    offsets = redis.call('MGET', unpack(tags))
  end
  for i = 1, #tags do
    offsets[i] = offsets[i] and tonumber(offsets[i]) or false
  end
  return offsets
end
