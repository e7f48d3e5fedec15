-- Reads entries. KEYS[2..] are the entries; ARGV[2] is how many bytes of values to answer at most.
-- Answers {epoch, offset, found...}: for each entry false, or {value, offset, milliseconds left}.
--
-- An entry is a line of its epoch, its offset and the keys of its tags, and after that line the value.

-- No line is longer: 16 tags of 512 characters under a prefix.
local LINE_BYTES = 16384

local epoch, offset = position()
local budget = tonumber(ARGV[2])

-- A hit only if no tag has moved since the fill, and none is missing: what is not known to be fresh is not answered.
local function is_fresh(filled_at, tags)
  for _, tag_offset in ipairs(moved(tags)) do
    if not tag_offset or tag_offset > filled_at then
      return false
    end
  end
  return true
end

local function find(key)
  -- What cannot be answered is not copied out of the store first.
  local size = redis.pcall('STRLEN', key)
  if type(size) ~= 'number' or size > budget + LINE_BYTES then
    return false
  end
  local entry = redis.pcall('GET', key)
  local line_end = type(entry) == 'string' and string.find(entry, '\n', 1, true)
  if not line_end or #entry - line_end > budget then
    return false
  end
  local words = {}
  for word in string.gmatch(string.sub(entry, 1, line_end), '%S+') do
    words[#words + 1] = word
  end
  local filled_at = tonumber(words[2])
  if words[1] ~= epoch or not is_fresh(filled_at, {unpack(words, 3)}) then
    return false
  end
  budget = budget - (#entry - line_end)
  return {string.sub(entry, line_end + 1), filled_at, redis.call('PTTL', key)}
end

local answer = {epoch, offset}
for i = 2, #KEYS do
  answer[i + 1] = find(KEYS[i])
end
return answer
