-- SPDX-License-Identifier: BSD-2-Clause
-- Five bodies pull at each other.
local bodies, steps = {}, tonumber(arg[1])
for i = 1, 5 do
	bodies[i] = { x = i * 1.5, y = i * -0.7, z = i * i * 0.1, vx = 0.01 * i, vy = 0.02 / i, vz = -0.005 * i, mass = 10 / i ^ 3 }
end
local function step(dt)
	for i = 1, #bodies do
		local a = bodies[i]
		local ax, ay, az, am = a.x, a.y, a.z, a.mass
		local vx, vy, vz = a.vx, a.vy, a.vz
		for j = i + 1, #bodies do
			local b = bodies[j]
			local dx, dy, dz = ax - b.x, ay - b.y, az - b.z
			local d2 = dx * dx + dy * dy + dz * dz
			local mag = dt / (d2 * d2 ^ 0.5)
			vx, vy, vz = vx - dx * b.mass * mag, vy - dy * b.mass * mag, vz - dz * b.mass * mag
			b.vx, b.vy, b.vz = b.vx + dx * am * mag, b.vy + dy * am * mag, b.vz + dz * am * mag
		end
		a.vx, a.vy, a.vz = vx, vy, vz
		a.x, a.y, a.z = ax + dt * vx, ay + dt * vy, az + dt * vz
	end
end
for _ = 1, steps do step(0.001) end
print(string.format("%.9f", bodies[1].x + bodies[5].z))
