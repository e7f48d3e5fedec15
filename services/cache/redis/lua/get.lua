-- Reads entries. KEYS[2..] are the entries; ARGV[2] is how many bytes of them to answer at most; ARGV[3] is for how
-- many milliseconds a miss is claimed, 0 if it is not.
-- Answers {epoch, offset, found...}: for each entry {value, milliseconds left, kind, tag...}; if it is missed,
-- false, or how many milliseconds another's claim still holds it; 'large' if there was no room for it.
--
-- An entry is a line of its epoch, its offset, its kind (`value` or `absent`) and the keys of its tags, and after that
-- line the value.

local epoch, offset = position()
local budget, CLAIM_MS = tonumber(ARGV[2]), tonumber(ARGV[3])
local KINDS = {value = true, absent = true}

-- A hit only if no tag has moved since the fill, and none is missing: what is not known to be fresh is not answered.
local function is_fresh(filled_at, tags)
  for _, tag_offset in ipairs(tag_offsets(tags)) do
    if not tag_offset or tag_offset > filled_at then
      return false
    end
  end
  return true
end

local function find(key)
  -- What cannot be answered is not copied out of the store first.
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
