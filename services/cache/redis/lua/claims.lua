-- Claims: who is to fill an entry that was missed. After stream.lua, before the scripts that read and write entries.

-- No key of an entry holds a space.
local function claim_of(entry)
  return entry .. ' claim'
end

-- Claims an entry for `life` milliseconds; answers false, or for how long another's claim still holds it.
local function claim(entry, life)
  local name = claim_of(entry)
  local made = redis.pcall('SET', name, '', 'NX', 'PX', life)
  -- Redis answers false where there is a claim. Where it takes no writes (at maxmemory), everybody may fill.
  if made ~= false then
    return false
  end
  -- One that would never end is none of ours. At the very end of its life a key has 0 ms left, and is still there.
  local left = redis.call('PTTL', name)
  return left >= 0 and math.max(left, 1)
end
