-- SPDX-License-Identifier: BSD-2-Clause
-- The spectral norm of an infinite matrix.
local n, times = 40, tonumber(arg[1])
local function a(i, j) return 1 / ((i + j) * (i + j + 1) // 2 + i + 1) end
local function multiply(x, turned)
	local y = {}
	for i = 0, n - 1 do
		local sum = 0
		for j = 0, n - 1 do sum = sum + x[j + 1] * (turned and a(j, i) or a(i, j)) end
		y[i + 1] = sum
	end
	return y
end
local u, v = {}, nil
for i = 1, n do u[i] = 1 end
for _ = 1, times do
	v = multiply(multiply(u), true)
	u = multiply(multiply(v), true)
end
local uv, vv = 0, 0
for i = 1, n do uv, vv = uv + u[i] * v[i], vv + v[i] * v[i] end
print(string.format("%.9f", math.sqrt(uv / vv)))
