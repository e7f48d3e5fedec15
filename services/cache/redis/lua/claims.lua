-- Claims: one reader at a time fills a missed entry. Requires stream.lua. The scripts of entries require this file.

-- The name is unique, because no key of an entry contains a space.
local function claim_of(entry)
  return entry .. ' claim'
end

-- Claims an entry for `life` milliseconds. Returns false, or the rest of another reader's claim in milliseconds.
local function claim(entry, life)
  local name = claim_of(entry)
  local made = redis.pcall('SET', name, '', 'NX', 'PX', life)
  -- Redis returns false if a claim exists. An error means that it accepts no writes (maxmemory): every reader can fill.
  if made ~= false then
    return false
  end
  -- A key without an expiry is not a claim. Just before it expires, a key has 0 ms left.
  local left = redis.call('PTTL', name)
  return left >= 0 and math.max(left, 1)
end
