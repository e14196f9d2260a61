-- SPDX-License-Identifier: MIT
-- What a session has here, page by page, so that its owner can compare: after a reconnect neither may have what the other does not know.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 epoch (8 digits) · 3 lease (µs) · 4 the last id of the page before, or '' · 5 how many
-- Answer  {1, id, token or '' (waiting), …}, less than asked for at the end · {-1} gone · {-2} epoch over
--@include space.lua
local session = ARGV[1]
start(tonumber(ARGV[3]))
local state = alive(session, ARGV[2])
if state ~= 1 then return { state } end
local from = session .. '\0' .. ARGV[4]
local entries = call('ZRANGEBYLEX', owned, (ARGV[4] == '' and '[' or '(') .. from, '(' .. session .. '\1', 'LIMIT', '0', ARGV[5])
local answer = { 1 }
for _, entry in ipairs(entries) do
  local id = sub(entry, #session + 2)
  local record = call('HGET', hash, 'r' .. id)
  answer[#answer + 1] = id
  answer[#answer + 1] = record and sub(record, 1, 1) == '+' and sub(record, 2, 17) or ''
end
return answer
