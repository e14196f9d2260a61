-- SPDX-License-Identifier: MIT
-- Keeps a session alive, tells which of its waiting requests were granted (a push may have been lost), and does some of what is left to do.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 epoch (8 digits) · 3 lease (µs) · 4… ids of waiting requests
-- Answer  {1, µs until the next session expires or -1, 1 or 2: more to do, id, token or '' (unknown), …} · {-1} gone · {-2} epoch over
--@include space.lua
local session, lease = ARGV[1], tonumber(ARGV[3])
start(lease)
local state = alive(session, ARGV[2])
if state ~= 1 then return { state } end
local expiry = digits(now + lease)
call('ZREM', sessions, session)
call('ZADD', sessions, expiry, session)
call('HSET', hash, '@' .. session, expiry .. ARGV[2])
resume()
reap()
local more = finish()
local answer = { 1, next_expiry(), more }
for i = 4, #ARGV do
  local record = call('HGET', hash, 'r' .. ARGV[i])
  if not record or sub(record, 1, 1) == '+' then
    answer[#answer + 1] = ARGV[i]
    answer[#answer + 1] = record and sub(record, 2, 17) or ''
  end
end
return answer
