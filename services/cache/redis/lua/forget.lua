-- Deletes the reports of processes if they have not changed. From ARGV[2] on, for each process: its name and its
-- report.

for i = 2, #ARGV, 2 do
  if redis.call('HGET', WATCHERS, ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', WATCHERS, ARGV[i])
  end
end
return 1
