// SPDX-License-Identifier: MIT
/* The agent's port, as the kernel's virtio port behaves: read() and write() are made up. */
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/port.h"

ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __wrap_write(int fd, const void *buffer, size_t size);
int __wrap_close(int fd);

static struct {
	uint8_t bytes[8192];
	size_t filled, taken;
	bool has_host, full;
	struct agent_message sent[64];
	unsigned int sent_count;
} kernel;

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	size_t left = kernel.filled - kernel.taken;

	if (left == 0) {
		errno = EAGAIN;
		return kernel.has_host ? -1 : 0;
	}
	size = size < left ? size : left;
	memcpy(buffer, kernel.bytes + kernel.taken, size);
	kernel.taken += size;
	return (ssize_t)size;
}

ssize_t __wrap_write(int fd, const void *buffer, size_t size)
{
	assert_int_equal(size, sizeof(struct agent_message));
	if (!kernel.has_host || kernel.full) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(&kernel.sent[kernel.sent_count++], buffer, size);
	return (ssize_t)size;
}

int __wrap_close(int fd)
{
	return 0;
}

static int set_up(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	return port_create(99, (struct port **)state);
}

static int tear_down(void **state)
{
	port_destroy(*state);
	return 0;
}

static void arrive(const void *bytes, size_t size)
{
	memcpy(kernel.bytes + kernel.filled, bytes, size);
	kernel.filled += size;
}

static struct agent_message message(enum agent_verb verb, uint32_t serial)
{
	return (struct agent_message){ .magic = AGENT_MAGIC, .verb = verb, .serial = serial };
}

static void test_data_before_host(void **state)
{
	struct port *port = *state;
	struct agent_message in = message(AGENT_HELLO, 0), got, out = message(AGENT_HELLO, 1);

	arrive(&in, sizeof(in));
	assert_int_equal(port_receive(port, &got), 1);
	port_send(port, &out);
	/* It is not gone, it has not come. */
	assert_int_equal(port_receive(port, &got), 0);
	assert_int_equal(kernel.sent_count, 0);
	kernel.has_host = true;
	port_flush(port);
	assert_int_equal(kernel.sent_count, 1);
	assert_int_equal(kernel.sent[0].serial, 1);
	assert_int_equal(port_receive(port, &got), 0);
	kernel.has_host = false;
	assert_int_equal(port_receive(port, &got), -EPIPE);
	assert_int_equal(port_receive(port, &got), 0);
}

static void test_order(void **state)
{
	struct port *port = *state;
	struct agent_message out = message(AGENT_CARD, 0);

	kernel.has_host = kernel.full = true;
	for (uint32_t i = 0; i < PORT_QUEUE + 5; i++) {
		out.serial = i;
		port_send(port, &out);
	}
	assert_int_equal(port_try(port, &out), -EAGAIN);
	kernel.full = false;
	assert_int_equal(port_try(port, &out), -EAGAIN);
	out.serial = 1000;
	port_send(port, &out);
	assert_int_equal(kernel.sent_count, PORT_QUEUE + 1);
	for (uint32_t i = 0; i < PORT_QUEUE; i++) {
		assert_int_equal(kernel.sent[i].serial, i);
	}
	assert_int_equal(kernel.sent[PORT_QUEUE].serial, 1000);
}

static void test_forget(void **state)
{
	struct port *port = *state;
	struct agent_message out = message(AGENT_CARD, 0);

	port_send(port, &out);
	port_forget(port);
	kernel.has_host = true;
	port_flush(port);
	assert_int_equal(kernel.sent_count, 0);
}

/* Half a message, something that begins like one, and what only the agent says. */
static void test_out_of_step(void **state)
{
	struct port *port = *state;
	struct agent_message first = message(AGENT_SUBSCRIBE, 0), wrong = message(AGENT_RING, 0);
	struct agent_message last = message(AGENT_RELEASE, 3), got;

	kernel.has_host = true;
	wrong.ring.what = AGENT_RING_FRAME;
	arrive((uint8_t *)&first + 70, sizeof(first) - 70);
	arrive("\x42", 1);
	arrive(&wrong, sizeof(wrong));
	arrive(&first, sizeof(first));
	arrive(&first.magic, 4);
	arrive(&last, sizeof(last));
	assert_int_equal(port_receive(port, &got), 1);
	assert_int_equal(got.verb, AGENT_SUBSCRIBE);
	assert_int_equal(port_receive(port, &got), 1);
	assert_int_equal(got.serial, 3);
	assert_int_equal(port_receive(port, &got), 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH(test_data_before_host),
		WITH(test_order),
		WITH(test_forget),
		WITH(test_out_of_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
