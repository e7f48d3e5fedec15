-- The invalidation stream, before every script that has to do with positions.
--
-- An event's id is its offset; its fields are the epoch it belongs to and the tags that moved. An event without tags
-- begins an epoch. KEYS[1] is the stream; ARGV[1] names the life of the server that this is asked of.

local STREAM, SERVER_ID = KEYS[1], ARGV[1]
local MAX_EVENTS = 10000

-- A whole number as text: Lua would write 1.7e+15.
local function digits(number)
  return string.format('%.0f', number)
end

-- Offsets grow with the clock, so that a stream that was lost does not begin again below its old positions.
local function append(after, epoch, tags)
  local now = redis.call('TIME')
  local offset = math.max(after + 1, now[1] * 1000000 + now[2])
  epoch = epoch or (SERVER_ID .. '-' .. digits(offset))
  redis.call('XADD', STREAM, 'MAXLEN', '~', MAX_EVENTS, digits(offset) .. '-0', 'epoch', epoch, 'tags', tags)
  return epoch, offset
end

-- The epoch and offset of the last event, or nil.
local function last_event()
  local event = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
  if event then
    return event[2][2], tonumber(string.match(event[1], '^%d+'))
  end
end

-- The present position. A stream that is gone (flushed, evicted) begins a new epoch.
local function position()
  local epoch, offset = last_event()
  if epoch then
    return epoch, offset
  end
  return append(0, nil, '')
end

-- How far each tag has moved: false for one that is not there, or is not one of ours.
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
