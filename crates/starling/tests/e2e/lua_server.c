/* Embeds Lua and answers every HTTP request with what a script returns. A fixture, no more. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lauxlib.h"
#include "lualib.h"

static const char *SCRIPT = "return _VERSION .. ' says ' .. string.rep('ok ', 3)";

int main(void) {
    const char *port = getenv("PORT");
    if (port == NULL) return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) return 1;
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        char request[4096], answer[512];
        if (read(client, request, sizeof request) > 0 && luaL_dostring(lua, SCRIPT) == LUA_OK) {
            const char *said = lua_tostring(lua, -1);
            int length = snprintf(answer, sizeof answer,
                                  "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                                  strlen(said), said);
            if (write(client, answer, (size_t)length) < 0) perror("write");
            lua_pop(lua, 1);
        }
        close(client);
    }
}
