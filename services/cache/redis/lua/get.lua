-- Reads entries. KEYS[2..] are the entries. ARGV[2] is the maximum number of bytes to return. ARGV[3] is the time in
-- milliseconds for which a miss is claimed, 0 for no claim.
-- Returns {epoch, offset, result...}. The result of a hit is {value, milliseconds left, kind, tag...}. The result of a
-- miss is false, or the rest of another reader's claim in milliseconds. It is 'large' if the entry does not fit.
--
-- An entry is a line of its epoch, its offset, its kind (`value` or `absent`) and the keys of its tags, followed by the
-- value.

local epoch, offset = position()
local budget, CLAIM_MS = tonumber(ARGV[2]), tonumber(ARGV[3])
local KINDS = {value = true, absent = true}

-- An entry is fresh if no tag was invalidated since its fill. A missing tag can have been invalidated.
local function is_fresh(filled_at, tags)
  for _, tag_offset in ipairs(tag_offsets(tags)) do
    if not tag_offset or tag_offset > filled_at then
      return false
    end
  end
  return true
end

local function find(key)
  -- An entry that does not fit is not copied into the script.
  local size = redis.pcall('STRLEN', key)
  if type(size) ~= 'number' then
    return false
  end
  if size > budget then
    return 'large'
  end
  local entry = redis.pcall('GET', key)
  local line_end = type(entry) == 'string' and string.find(entry, '\n', 1, true)
  if not line_end then
    return false
  end
  local words = {}
  for word in string.gmatch(string.sub(entry, 1, line_end), '%S+') do
    words[#words + 1] = word
  end
  local filled_at, kind, tags = tonumber(words[2]), words[3], {unpack(words, 4)}
  if words[1] ~= epoch or not KINDS[kind] or not is_fresh(filled_at, tags) then
    return false
  end
  budget = budget - #entry
  return {string.sub(entry, line_end + 1), redis.call('PTTL', key), kind, unpack(tags)}
end

local answer = {epoch, offset}
for i = 2, #KEYS do
  answer[i + 1] = find(KEYS[i]) or (CLAIM_MS > 0 and claim(KEYS[i], CLAIM_MS))
end
return answer
