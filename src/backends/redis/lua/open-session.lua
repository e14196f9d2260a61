-- SPDX-License-Identifier: MIT
-- Begins a session, or its next epoch: from then on whatever was sent in an earlier one is refused, however late it arrives.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 epoch (8 digits) · 3 lease (µs) · 4 owner, as JSON · 5 policy of the space · 6 '1' when the session must be there already
-- Answer  {1} · {-1} the session is gone · {-2} a later epoch has begun · {-3, policy} the space has another policy
--@include space.lua
local session, epoch, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local policy = call('HGET', hash, '#v')
if not policy then
  -- The space is new, or its hash was deleted: whatever lies in the other keys means nothing any more.
  call('UNLINK', owned, queue, sessions, todo)
  call('HSET', hash, '#v', ARGV[5])
end
start(lease)
if policy and policy ~= ARGV[5] then
  -- A policy holds as long as somebody uses the space, or what the dead left lies about.
  resume()
  reap()
  save()
  if call('ZCARD', sessions) > 0 then return { -3, policy } end
  call('HSET', hash, '#v', ARGV[5])
end
local record = call('HGET', hash, '@' .. session)
if record then
  if tonumber(sub(record, 1, 16)) <= now then return { -1 } end
  if sub(record, 17, 24) > epoch then return { -2 } end
elseif ARGV[6] == '1' then
  return { -1 }
end
-- A full server, too, lets a session that it knows go on: this first write asks for no memory.
if record then call('ZREM', sessions, session) end
local expiry = digits(now + lease)
call('HSET', hash, '@' .. session, expiry .. epoch, 'i' .. session, ARGV[4])
call('ZADD', sessions, expiry, session)
call('ZADD', owned, '0', filling(session))
return { 1 }
