-- Begins a new epoch if the present one belongs to another server id, or if ARGV[2] is 1.

local epoch, offset = last_event()
if not epoch or ARGV[2] == '1' or string.sub(epoch, 1, #SERVER_ID + 1) ~= SERVER_ID .. '-' then
  epoch, offset = append(offset or 0, nil, '')
end
kept_since(epoch, offset)
return 1
