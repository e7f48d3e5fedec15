-- Removes the keys; answers how many were there.

return redis.call('UNLINK', unpack(KEYS))
