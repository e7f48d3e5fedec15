-- Writes entries. From ARGV[2] on, for each entry: its key, kind, value, time to live in milliseconds, the epoch and
-- the offset of its lease (the epoch empty without one), how many tags it has, and these.
-- Answers for each entry 1 if it was stored, 0 if its lease was refused. Either ends its claim.
--
-- The first write of a script is a SET: at maxmemory that is refused, and all that follows a first write is not.

local TAG_MARGIN_MS = 600000
local epoch, offset = position()

-- Whether no tag has moved since `since`. One that is missing may have moved unseen, unless nothing has moved at all.
local function stand_still(offsets, since)
  for _, tag_offset in ipairs(offsets) do
    if (tag_offset or offset) > since then
      return false
    end
  end
  return true
end

-- Tags that are missing are made anew at the present offset, so that the next miss can be filled. A tag outlives
-- every entry that carries it by more than a fill takes.
local function keep(tags, offsets, ttl)
  for i, tag in ipairs(tags) do
    if not offsets[i] then
      redis.call('SET', tag, digits(offset), 'PX', ttl + TAG_MARGIN_MS)
    elseif redis.call('PTTL', tag) < ttl + TAG_MARGIN_MS then
      redis.call('PEXPIRE', tag, ttl + TAG_MARGIN_MS)
    end
  end
end

local function store(key, kind, value, ttl, lease_epoch, lease_offset, tags)
  local since = offset
  if lease_epoch ~= '' then
    since = tonumber(lease_offset)
    if lease_epoch ~= epoch or since > offset then
      return 0
    end
  end
  local offsets = tag_offsets(tags)
  local still = stand_still(offsets, since)
  if still then
    local line = table.concat({epoch, digits(since), kind, unpack(tags)}, ' ')
    redis.call('SET', key, line .. '\n' .. value, 'PX', ttl)
  end
  keep(tags, offsets, ttl)
  return still and 1 or 0
end

local answer, claims = {}, {}
local at = 2
while at <= #ARGV do
  local tags = {}
  for i = 1, tonumber(ARGV[at + 6]) do
    tags[i] = ARGV[at + 6 + i]
  end
  local key, kind, value, ttl = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  answer[#answer + 1] = store(key, kind, value, ttl, ARGV[at + 4], ARGV[at + 5], tags)
  claims[#claims + 1] = claim_of(key)
  at = at + 7 + #tags
end
redis.call('DEL', unpack(claims))
return answer
