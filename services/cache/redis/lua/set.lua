-- Writes entries. From ARGV[2] on, for each entry: its key, kind, value, time to live in milliseconds, the epoch and
-- the offset of its lease, the number of its tags, and the tags. Without a lease, the epoch is empty.
-- Returns 1 for each entry that was written, 0 for one whose lease is invalid. Both end the entry's claim.
--
-- The first write of the script is a SET. At maxmemory Redis rejects it, but it does not reject later writes of a
-- script.

local TAG_MARGIN_MS = 600000
local epoch, offset = position()

-- Returns whether no tag was invalidated after `since`. A missing tag counts as invalidated at the present offset.
local function are_unchanged(offsets, since)
  for _, tag_offset in ipairs(offsets) do
    if (tag_offset or offset) > since then
      return false
    end
  end
  return true
end

-- Creates missing tags at the present offset, so that the next miss can be filled. Prolongs the others. A tag outlives
-- each of its entries by more than the time from a miss to its fill.
local function keep_tags(tags, offsets, ttl)
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
  local is_valid = are_unchanged(offsets, since)
  if is_valid then
    local line = table.concat({epoch, digits(since), kind, unpack(tags)}, ' ')
    redis.call('SET', key, line .. '\n' .. value, 'PX', ttl)
  end
  keep_tags(tags, offsets, ttl)
  return is_valid and 1 or 0
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
