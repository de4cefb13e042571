-- SPDX-License-Identifier: BSD-2-Clause
-- Binary trees: allocation and the collector.
local function tree(depth)
	if depth == 0 then return {} end
	return { tree(depth - 1), tree(depth - 1) }
end
local function nodes(t)
	return t[1] and 1 + nodes(t[1]) + nodes(t[2]) or 1
end
local long, sum = tree(8), 0
for _ = 1, tonumber(arg[1]) do sum = sum + nodes(tree(6)) end
print(sum, nodes(long))
