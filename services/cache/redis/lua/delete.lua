-- Deletes the keys. Returns how many existed.

return redis.call('UNLINK', unpack(KEYS))
