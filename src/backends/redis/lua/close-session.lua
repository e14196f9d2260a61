-- SPDX-License-Identifier: MIT
-- Ends a session: what it still has is given back, in bounded steps.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 lease (µs)
-- Answer  1 done · 2 there is more to do: tidy.lua, or whoever comes next
--@include space.lua
start(tonumber(ARGV[2]))
if call('ZSCORE', sessions, ARGV[1]) then
  call('ZREM', sessions, ARGV[1])
  call('ZADD', sessions, '0', ARGV[1])
  call('HSET', hash, '@' .. ARGV[1], string.rep('0', 16) .. '99999999')
  resume()
  reap()
end
return finish()
