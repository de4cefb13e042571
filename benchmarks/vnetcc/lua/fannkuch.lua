-- SPDX-License-Identifier: BSD-2-Clause
-- Pancakes: the most flips that any order of n needs until the first is 1.
local n = tonumber(arg[1]) % 20
local order, count, flips, sign, sum = {}, {}, 0, 1, 0
for i = 1, n do order[i], count[i] = i, i end
local function flip(p)
	local q, times = table.move(p, 1, n, 1, {}), 0
	while q[1] ~= 1 do
		local i, j = 1, q[1]
		while i < j do
			q[i], q[j] = q[j], q[i]
			i, j = i + 1, j - 1
		end
		times = times + 1
	end
	return times
end
while true do
	local times = flip(order)
	if times > flips then flips = times end
	sum, sign = sum + sign * times, -sign
	local i = 2
	while i <= n do
		local first = table.remove(order, 1)
		table.insert(order, i, first)
		count[i] = count[i] - 1
		if count[i] > 0 then break end
		count[i] = i
		i = i + 1
	end
	if i > n then break end
end
print(sum, flips)
