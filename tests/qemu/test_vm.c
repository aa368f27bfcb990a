// SPDX-License-Identifier: MIT
/*
 * Guests on a real QEMU: firmware only, no disk. Starts, is taken over, pauses, hangs, dies and is
 * told apart in each case. Waits for events, each with a deadline; a slow machine only takes longer.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/strv.h"
#include "vm/command_line.h"
#include "vm/vm.h"

#define WAIT_NS (60 * NSEC_PER_SEC)

struct fixture {
	char folder[64];
	char *run_dir, *state_dir;
	sd_event *event;
	struct vm *vm;
	struct vm_observer observer;
	int peer_ups, peer_downs, changes;
	char name[300]; /* the answer to send_name_call(), or error */
	int error;
};

static void count_changed(struct vm *vm, void *data)
{
	((struct fixture *)data)->changes++;
}

static void count_up(struct vm *vm, void *data)
{
	struct fixture *f = data;

	assert_non_null(vm_peer(vm));
	f->peer_ups++;
}

static void count_down(struct vm *vm, void *data)
{
	struct fixture *f = data;

	assert_null(vm_peer(vm));
	f->peer_downs++;
}

static const struct vm_observer_ops ops = {
	.changed = count_changed,
	.peer_up = count_up,
	.peer_down = count_down,
};

static bool is_in_state(struct fixture *f, int state)
{
	return vm_get_state(f->vm) == (enum vm_state)state;
}

static bool is_hung(struct fixture *f, int hung)
{
	return vm_is_hung(f->vm) == (bool)hung;
}

static bool has_name(struct fixture *f, int unused)
{
	return f->name[0] || f->error;
}

static bool has_peer(struct fixture *f, int ups)
{
	return f->peer_ups >= ups;
}

/* Runs the loop until the condition holds. */
static void wait_until(struct fixture *f, bool (*condition)(struct fixture *, int), int value)
{
	uint64_t start = clock_now_ns();

	while (!condition(f, value)) {
		if (clock_now_ns() - start > WAIT_NS) {
			fail_msg("waited for %d, state is %s: %s", value,
				 vm_state_name(vm_get_state(f->vm)), vm_reason(f->vm));
		}
		assert_true(sd_event_run(f->event, 100 * 1000) >= 0);
	}
}

static void create_vm(struct fixture *f, char *const args[])
{
	struct vm_config *config = vm_config_create("test");

	assert_non_null(config);
	config->memory_mib = 64;
	config->cpus = 1;
	config->os = VM_OS_OTHER;
	assert_true(strv_append(&config->qemu_args, "-accel") == 0);
	assert_true(strv_append(&config->qemu_args, "tcg") == 0);
	assert_true(strv_extend(&config->qemu_args, args) == 0);
	assert_int_equal(vm_create(f->event, config, f->run_dir, f->state_dir, &f->vm), 0);
	f->observer.ops = &ops;
	f->observer.data = f;
	vm_add_observer(f->vm, &f->observer);
	f->peer_ups = f->peer_downs = 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/baton-test-XXXXXX");
	if (!mkdtemp(f->folder) || asprintf(&f->run_dir, "%s/run", f->folder) < 0 ||
	    asprintf(&f->state_dir, "%s/state", f->folder) < 0 || sd_event_new(&f->event) < 0) {
		return -1;
	}
	*state = f;
	return 0;
}

/* Whatever a test left running ends here. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->vm && vm_pid(f->vm)) {
		kill(vm_pid(f->vm), SIGKILL);
		wait_until(f, is_in_state, VM_STATE_FAILED);
	}
	vm_destroy(f->vm);
	sd_event_unref(f->event);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	if (system(command) != 0) {
		return -1;
	}
	free(f->run_dir);
	free(f->state_dir);
	free(f);
	return 0;
}

static void start(struct fixture *f, char *const args[])
{
	create_vm(f, args);
	assert_int_equal(vm_start(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_int_equal(f->peer_ups, 1);
}

static int take_name(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct fixture *f = data;
	const char *name;

	f->error = sd_bus_message_get_errno(reply);
	if (!f->error) {
		assert_true(sd_bus_message_read(reply, "v", "s", &name) >= 0);
		snprintf(f->name, sizeof(f->name), "%s", name);
	}
	return 0;
}

static void send_name_call(struct fixture *f, sd_bus_slot **slot)
{
	sd_bus_message *call = NULL;

	f->name[0] = '\0';
	f->error = 0;
	assert_true(sd_bus_message_new_method_call(vm_peer(f->vm), &call, NULL,
						   "/org/qemu/Display1/VM",
						   "org.freedesktop.DBus.Properties", "Get") >= 0);
	assert_true(sd_bus_message_append(call, "ss", "org.qemu.Display1.VM", "Name") >= 0);
	assert_int_equal(vm_peer_call(f->vm, call, take_name, f, slot), 0);
	sd_bus_message_unref(call);
}

static void assert_answers(struct fixture *f)
{
	send_name_call(f, NULL);
	wait_until(f, has_name, 0);
	assert_string_equal(f->name, "test");
}

static void starts_and_answers(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	assert_true(vm_pid(f->vm) > 0);
	assert_null(vm_reason(f->vm));
	assert_int_equal(vm_start(f->vm), -EALREADY);
	assert_answers(f);
	assert_int_equal(getsid(vm_pid(f->vm)), vm_pid(f->vm));
	assert_int_equal(vm_kill(f->vm), 0);
	assert_true(is_in_state(f, VM_STATE_STOPPING));
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	assert_string_equal(vm_reason(f->vm), "shut down");
	assert_int_equal(f->peer_downs, 1);
	assert_int_equal(vm_pid(f->vm), 0);
}

static void starts_again_after_the_end(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	vm_kill(f->vm);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	assert_int_equal(vm_start(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_answers(f);
}

static struct vm_config *changed_config(void)
{
	struct vm_config *config = vm_config_create("test");

	assert_non_null(config);
	config->slot = 7;
	return config;
}

static void takes_another_configuration_when_it_rests(void **state)
{
	struct fixture *f = *state;
	int changes;

	start(f, NULL);
	assert_int_equal(vm_set_config(f->vm, changed_config()), -EBUSY);
	assert_int_equal(vm_slot(f->vm), 0);
	vm_kill(f->vm);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	changes = f->changes;
	assert_int_equal(vm_set_config(f->vm, changed_config()), 0);
	assert_int_equal(vm_slot(f->vm), 7);
	assert_int_equal(f->changes, changes + 1);
}

static void outlives_us_and_is_adopted(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	start(f, NULL);
	pid = vm_pid(f->vm);
	for (int i = 0; i < 3; i++) {
		vm_destroy(f->vm);
		create_vm(f, NULL);
		assert_int_equal(vm_adopt(f->vm), 1);
		assert_int_equal(vm_pid(f->vm), pid);
		assert_int_equal(vm_adopt(f->vm), -EALREADY);
		wait_until(f, is_in_state, VM_STATE_RUNNING);
		assert_answers(f);
	}
	/* Starting what runs already takes it over too. */
	vm_destroy(f->vm);
	create_vm(f, NULL);
	assert_int_equal(vm_start(f->vm), 0);
	assert_int_equal(vm_pid(f->vm), pid);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
}

/* An earlier seat ended while QEMU was so new that it had not locked its pid file yet. */
static void is_adopted_before_its_process_is_known(void **state)
{
	struct fixture *f = *state;
	char path[256], away[300];
	pid_t pid;

	start(f, NULL);
	pid = vm_pid(f->vm);
	vm_destroy(f->vm);
	snprintf(path, sizeof(path), "%s/test/" RUN_FILE_PID, f->run_dir);
	snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	create_vm(f, NULL);
	assert_int_equal(vm_start(f->vm), 0);
	assert_int_equal(vm_pid(f->vm), 0);
	assert_true(is_in_state(f, VM_STATE_STARTING));
	assert_int_equal(rename(away, path), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_int_equal(vm_pid(f->vm), pid);
	assert_answers(f);
}

/* The same, but it ends before it ever greets. */
static void its_early_end_is_a_failure(void **state)
{
	struct fixture *f = *state;
	char path[256];
	int fd;

	create_vm(f, NULL);
	snprintf(path, sizeof(path), "%s/test/" RUN_FILE_QMP, f->run_dir);
	fd = unix_listen(path, 1);
	assert_true(fd >= 0);
	assert_int_equal(vm_adopt(f->vm), 1);
	assert_true(is_in_state(f, VM_STATE_STARTING));
	close(fd);
	wait_until(f, is_in_state, VM_STATE_FAILED);
	assert_string_equal(vm_reason(f->vm), "QEMU ended unexpectedly");
	assert_int_equal(vm_adopt(f->vm), 0);
}

static void adopts_nothing_where_nothing_runs(void **state)
{
	struct fixture *f = *state;

	create_vm(f, NULL);
	assert_int_equal(vm_adopt(f->vm), 0);
	assert_true(is_in_state(f, VM_STATE_STOPPED));
	assert_int_equal(vm_shutdown(f->vm), -ESRCH);
	assert_int_equal(vm_pause(f->vm), -ESRCH);
}

static void pauses_resumes_and_resets(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	assert_int_equal(vm_pause(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_PAUSED);
	assert_string_equal(vm_reason(f->vm), "paused");
	assert_int_equal(vm_resume(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_int_equal(vm_pause(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_PAUSED);
	assert_int_equal(vm_reset(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
}

/* SIGSTOP: our request goes unanswered. SIGCONT: the answer comes, late. */
static void hangs_and_comes_back(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	assert_false(vm_is_hung(f->vm));
	kill(vm_pid(f->vm), SIGSTOP);
	send_name_call(f, NULL);
	wait_until(f, is_hung, true);
	assert_true(is_in_state(f, VM_STATE_RUNNING));
	kill(vm_pid(f->vm), SIGCONT);
	wait_until(f, is_hung, false);
	wait_until(f, has_name, 0);
	assert_string_equal(f->name, "test");
}

/* Nobody waits for the late answer any more: a question of the vm's own ends the hang. */
static void comes_back_without_the_answer(void **state)
{
	struct fixture *f = *state;
	sd_bus_slot *slot = NULL;

	start(f, NULL);
	kill(vm_pid(f->vm), SIGSTOP);
	send_name_call(f, &slot);
	wait_until(f, is_hung, true);
	sd_bus_slot_unref(slot);
	kill(vm_pid(f->vm), SIGCONT);
	wait_until(f, is_hung, false);
	assert_string_equal(f->name, "");
}

static int count_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	((struct fixture *)data)->error++;
	return 0;
}

static bool has_answers(struct fixture *f, int n)
{
	return f->error >= n;
}

/* What waits for a stopped guest is bounded, and answered in full when it runs again. */
static void calls_to_a_stopped_guest_are_bounded(void **state)
{
	struct fixture *f = *state;
	int sent = 0, r;

	start(f, NULL);
	kill(vm_pid(f->vm), SIGSTOP);
	do {
		sd_bus_message *call = NULL;

		assert_true(sd_bus_message_new_method_call(
				    vm_peer(f->vm), &call, NULL, "/org/qemu/Display1/VM",
				    "org.freedesktop.DBus.Properties", "GetAll") >= 0);
		assert_true(sd_bus_message_append(call, "s", "org.qemu.Display1.VM") >= 0);
		r = vm_peer_call(f->vm, call, count_answer, f, NULL);
		sd_bus_message_unref(call);
		sent += r == 0;
		assert_true(sent < 1000);
	} while (r == 0);
	assert_int_equal(r, -ENOBUFS);
	assert_true(sent > 100);
	kill(vm_pid(f->vm), SIGCONT);
	wait_until(f, has_answers, sent);
	assert_answers(f);
}

static void hung_guest_is_adopted_and_killed(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	kill(vm_pid(f->vm), SIGSTOP);
	for (int i = 0; i < 3; i++) {
		vm_destroy(f->vm);
		create_vm(f, NULL);
		assert_int_equal(vm_adopt(f->vm), 1);
		wait_until(f, is_hung, true);
		assert_true(is_in_state(f, VM_STATE_STARTING));
	}
	kill(vm_pid(f->vm), SIGCONT);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_false(vm_is_hung(f->vm));
	kill(vm_pid(f->vm), SIGSTOP);
	assert_int_equal(vm_kill(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	assert_string_equal(vm_reason(f->vm), "stopped by force");
}

static void killed_qemu_is_a_failure(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	kill(vm_pid(f->vm), SIGKILL);
	wait_until(f, is_in_state, VM_STATE_FAILED);
	assert_non_null(strstr(vm_reason(f->vm), "killed by signal 9"));
	assert_int_equal(f->peer_downs, 1);
	assert_int_equal(vm_start(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
}

static void bad_arguments_show_qemus_words(void **state)
{
	struct fixture *f = *state;
	char *args[] = { "-device", "no-such-device", NULL };

	create_vm(f, args);
	assert_int_equal(vm_start(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_FAILED);
	assert_non_null(strstr(vm_reason(f->vm), "no-such-device"));
	assert_int_equal(f->peer_ups, 0);
}

static void silent_end_is_explained(void **state)
{
	struct fixture *f = *state;
	char *args[] = { "-h", NULL };

	/* It prints and ends with status 0 before it does anything. */
	create_vm(f, args);
	assert_int_equal(vm_start(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_FAILED);
	assert_non_null(strstr(vm_reason(f->vm), "status 0"));
}

static void absent_qemu_is_explained(void **state)
{
	struct fixture *f = *state;
	char *path = strdup(getenv("PATH"));
	int r;

	create_vm(f, NULL);
	setenv("PATH", f->folder, 1);
	r = vm_start(f->vm);
	setenv("PATH", path, 1);
	free(path);
	assert_int_equal(r, -ENOENT);
	assert_true(is_in_state(f, VM_STATE_FAILED));
	assert_non_null(strstr(vm_reason(f->vm), "install qemu-system-x86"));
}

/* Does what a second seat would do; returns its display connection. */
static sd_bus *steal_display(struct fixture *f, int qmp)
{
	static char commands[] = "{\"execute\":\"qmp_capabilities\"}\n"
				 "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}\n"
				 "{\"execute\":\"add_client\",\"arguments\":{\"protocol\":"
				 "\"@dbus-display\",\"fdname\":\"x\"}}\n";
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec part = { commands, strlen(commands) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	sd_bus *bus;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	memcpy(CMSG_DATA(&control.header), &pair[1], sizeof(int));
	assert_true(sendmsg(qmp, &message, 0) > 0);
	close(pair[1]);
	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
	assert_true(sd_bus_start(bus) >= 0);
	assert_true(sd_bus_attach_event(bus, f->event, 0) >= 0);
	return bus;
}

/* A second seat that takes the display away: the first one notices and connects anew. */
static void lost_display_comes_back(void **state)
{
	struct fixture *f = *state;
	sd_bus *stolen;
	char path[256];
	int qmp, ups;

	start(f, NULL);
	snprintf(path, sizeof(path), "%s/test/" RUN_FILE_QMP_USER, f->run_dir);
	qmp = unix_connect(path);
	assert_true(qmp >= 0);
	ups = f->peer_ups;
	stolen = steal_display(f, qmp);
	wait_until(f, has_peer, ups + 1);
	assert_int_equal(f->peer_downs, 1);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_answers(f);
	sd_bus_detach_event(stolen);
	sd_bus_close_unref(stolen);
	close(qmp);
}

static void attaches_to_a_foreign_qemu(void **state)
{
	struct fixture *f = *state;
	struct vm_config *config = vm_config_create("foreign");
	struct vm *foreign;
	pid_t pid;

	start(f, NULL);
	assert_true(asprintf(&config->attach, "%s/test/" RUN_FILE_QMP_USER, f->run_dir) > 0);
	assert_int_equal(vm_create(f->event, config, f->run_dir, f->state_dir, &foreign), 0);
	/* The seat before lets go; a foreign QEMU has no other. */
	pid = vm_pid(f->vm);
	vm_destroy(f->vm);
	f->vm = foreign;
	f->observer = (struct vm_observer){ .ops = &ops, .data = f };
	vm_add_observer(f->vm, &f->observer);
	assert_int_equal(vm_start(f->vm), 0);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
	assert_answers(f);
	assert_int_equal(vm_pid(f->vm), pid);
	vm_kill(f->vm);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	assert_true(vm_start(f->vm) < 0);
	assert_true(is_in_state(f, VM_STATE_FAILED));
}

/* Waits for QEMU to end by its own means, as a user's tool would make it. */
static void told_to_quit_is_no_failure(void **state)
{
	struct fixture *f = *state;

	start(f, NULL);
	kill(vm_pid(f->vm), SIGTERM);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	assert_string_equal(vm_reason(f->vm), "QEMU was told to quit");
}

/* The seat takes these signals from a descriptor, so they are blocked in it. */
static void inherits_no_signal_mask_and_no_descriptor(void **state)
{
	struct fixture *f = *state;
	sigset_t mask, before;
	int pair[2];
	char byte;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, &before);
	/* Without close-on-exec, as a library might leave one. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	start(f, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	assert_int_equal(recv(pair[0], &byte, 1, MSG_DONTWAIT), 0);
	close(pair[0]);
	kill(vm_pid(f->vm), SIGTERM);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
}

static void has_a_stable_identity(void **state)
{
	struct fixture *f = *state;
	char path[256], first[64], second[64];

	start(f, NULL);
	snprintf(path, sizeof(path), "%s/test/" STATE_FILE_UUID, f->state_dir);
	assert_int_equal(file_read_tail(path, first, sizeof(first)), 36);
	vm_kill(f->vm);
	wait_until(f, is_in_state, VM_STATE_STOPPED);
	assert_int_equal(vm_start(f->vm), 0);
	assert_int_equal(file_read_tail(path, second, sizeof(second)), 36);
	assert_string_equal(first, second);
	wait_until(f, is_in_state, VM_STATE_RUNNING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(starts_and_answers),
		TEST(starts_again_after_the_end),
		TEST(takes_another_configuration_when_it_rests),
		TEST(outlives_us_and_is_adopted),
		TEST(is_adopted_before_its_process_is_known),
		TEST(its_early_end_is_a_failure),
		TEST(adopts_nothing_where_nothing_runs),
		TEST(pauses_resumes_and_resets),
		TEST(hangs_and_comes_back),
		TEST(comes_back_without_the_answer),
		TEST(calls_to_a_stopped_guest_are_bounded),
		TEST(hung_guest_is_adopted_and_killed),
		TEST(killed_qemu_is_a_failure),
		TEST(bad_arguments_show_qemus_words),
		TEST(silent_end_is_explained),
		TEST(absent_qemu_is_explained),
		TEST(lost_display_comes_back),
		TEST(attaches_to_a_foreign_qemu),
		TEST(told_to_quit_is_no_failure),
		TEST(inherits_no_signal_mask_and_no_descriptor),
		TEST(has_a_stable_identity),
	};

	log_set_level(LOG_LEVEL_DEBUG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
