/* What the agent's libraries cost by themselves: each is initialised, connected and used once, then the process waits.
 * The kernel's account of it is read from outside. Usage: bench_memory BROKER_PORT MODBUS_PORT DATABASE */
#include <cjson/cJSON.h>
#include <modbus/modbus.h>
#include <mosquitto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>

int main(int argc, char **argv)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	uint16_t words[10];
	struct mosquitto *m;
	modbus_t *mb;
	sqlite3 *db;
	char byte;
	int r;

	if (argc != 4)
		return 2;
	uv_run(uv_default_loop(), UV_RUN_NOWAIT);
	mosquitto_lib_init();
	m = mosquitto_new(NULL, true, NULL);
	r = mosquitto_connect(m, "127.0.0.1", atoi(argv[1]), 60);
	for (int i = 0; i < 20; i++)
		mosquitto_loop(m, 10, 1);
	mb = modbus_new_tcp("127.0.0.1", atoi(argv[2]));
	modbus_set_slave(mb, 10);
	if (r || modbus_connect(mb) || modbus_read_input_registers(mb, 0, 10, words) != 10)
		return 1;
	if (sqlite3_open(argv[3], &db) ||
	    sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", NULL, NULL, NULL))
		return 1;
	HMAC(EVP_sha256(), "key", 3, (const unsigned char *)"text", 4, digest, &n);
	cJSON_Delete(cJSON_Parse("{\"a\":[1,2,3]}"));
	sd_notify(0, "STATUS=ready");
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
