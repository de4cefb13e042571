/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library as people write them for one user: the interpreter and what it has counted are global variables.  Nothing
 * here knows of instances.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#include "script.h"

static lua_State *L;
static long total;

/* add(n), for the script */
static int
add(lua_State *state)
{
	total += (long)luaL_checkinteger(state, 1);
	return (0);
}

int
script_start(const char *text)
{
	L = luaL_newstate();
	if (L == NULL)
		return (-1);
	luaL_openlibs(L);
	lua_register(L, "add", add);
	if (luaL_dostring(L, text) == LUA_OK)
		return (0);
	fprintf(stderr, "script: %s\n", lua_tostring(L, -1));
	lua_close(L);
	return (-1);
}

long
script_step(long n)
{
	lua_getglobal(L, "step");
	lua_pushinteger(L, n);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
		fprintf(stderr, "script: %s\n", lua_tostring(L, -1));
		return (-1);
	}
	return (total);
}

void
script_end(void)
{
	lua_close(L);
}
