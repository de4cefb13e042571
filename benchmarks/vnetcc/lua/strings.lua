-- SPDX-License-Identifier: BSD-2-Clause
-- Formatting, joining, searching, replacing.
local sum = 0
for i = 1, tonumber(arg[1]) do
	local words = {}
	for k = 1, 20 do words[k] = string.format("%s-%d:%x", "word", i * k, i + k) end
	local s = table.concat(words, ",")
	for w, x in s:gmatch("(%w+%-%d+):(%x+)") do sum = sum + #w + tonumber(x, 16) end
	sum = sum + #s:gsub("%d", "<%0>"):upper():rep(2):reverse() + (s:find("word-9", 1, true) or 0) + s:byte(-1)
end
print(sum)
