-- Removes processes that have told nothing new. From ARGV[2] on, for each: its name, and what it told last.

for i = 2, #ARGV, 2 do
  if redis.call('HGET', WATCHERS, ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', WATCHERS, ARGV[i])
  end
end
return 1
