/*
 * The event loop: libevent (epoll) behind five verbs. A turn is: wait; run the callbacks of what is
 * ready; run the kicked watches; run the tasks. What tasks and kicks ask for meanwhile belongs to
 * the next turn, which then does not wait.
 *
 * The ends of connections come from an epoll of our own, edge-triggered, which the first one watches:
 * libevent can wait for them neither without waiting for input as well, nor without spinning on the
 * first of the two. A watch is known there by number: a descriptor that somebody else closed may
 * still be told of for a moment (a child that has not come to its exec holds it, too).
 *
 * Subtle: every callback may free any object, its own included, so nothing of an object is touched
 * after its callback. libevent's clock is the coarse one (4 ms): a timer that comes early is sent
 * back for the rest. Moving a timer into the future leaves libevent's entry where it is and is
 * sorted out when that fires: an idle timeout that every message moves costs nothing.
 */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "ashlar/clock.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"

#define SLOW_US	      ((uint64_t)10000)
#define SLOW_PAUSE_US ((uint64_t)1000000) /* between two warnings about one name */
#define YIELD_US      ((uint64_t)2000)
#define LOOK_US	      100 /* between two looks at the clock, about */
#define STRIDE_MAX    16
#define WAIT_MAX_US   ((uint64_t)86400 * 1000000) /* of libevent's timer; longer ones go in steps */
#define SIGNAL_COUNT  65
#define ENDS_TURN     64 /* ends of connections told a turn */

struct loop_watch {
	const char *name;
	unsigned events; /* asked for */
	unsigned kicked; /* to be delivered as if ready; the watch is in a kick list */
	void (*callback)(unsigned events, void *arg);
	void *arg;
	struct event read, write; /* two: changing one interest is then one epoll_ctl */
	struct list kick;
	uint64_t number; /* among those whose ends are waited for; 0: is not */
	unsigned told;	 /* LOOP_ENDED, LOOP_GONE */
};

struct loop_timer {
	const char *name;
	void (*callback)(void *arg);
	void *arg;
	uint64_t due_us;   /* 0: not active */
	uint64_t armed_us; /* when libevent will fire; 0: not armed */
	struct event event;
};

struct loop_task {
	const char *name;
	void (*callback)(void *arg);
	void *arg;
	struct list node;
};

struct loop_handler {
	void (*callback)(int signo, void *arg);
	void *arg;
	struct event event;
};

/* A name that was slow, and when that was last said. */
struct slow {
	const char *name;
	uint64_t logged_us;
	unsigned unsaid; /* slow calls since */
};

static struct {
	struct event_base *base; /* NULL: not between loop_init() and loop_done() */
	struct event limit;	 /* ends the wait of loop_turn() */
	int ends_fd;		 /* an epoll of its own */
	struct event ends;
	struct map enders; /* watches by number */
	uint64_t last_number;
	struct list kicks, tasks;
	struct loop_handler *handlers[SIGNAL_COUNT];
	struct map slow;
	bool in_turn, is_stopped, is_limit_reached;
	uint64_t calls;		  /* callbacks run */
	uint64_t yield_us;	  /* when the current callback should return; 0: none runs */
	uint64_t looked_us;	  /* when loop_should_yield() last looked at the clock */
	unsigned stride, to_look; /* calls of it from one look to the next; before the next */
	bool is_late;
	uint64_t longest_us; /* since the last reset */
	const char *longest_name;
} loop;

static void on_libevent_log(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_warning("loop", "libevent: %s", text);
	else
		log_debug("loop", "libevent: %s", text);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	loop.is_limit_reached = true;
}

static void on_ends(evutil_socket_t fd, short what, void *arg);

void loop_init(void)
{
	struct event_config *config;
	int ret;

	assert(!loop.base);
	event_set_mem_functions(xmalloc, xrealloc, free);
	event_set_log_callback(on_libevent_log);
	config = event_config_new();
	/* No locks: one thread. No cached time: timers count from now, not from the turn's begin.
	 */
	ret = event_config_set_flag(config,
		EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME |
			EVENT_BASE_FLAG_IGNORE_ENV);
	assert(ret == 0);
	ret = event_config_avoid_method(config, "poll");
	assert(ret == 0);
	ret = event_config_avoid_method(config, "select");
	assert(ret == 0);
	loop.base = event_base_new_with_config(config);
	event_config_free(config);
	if (!loop.base) {
		log_error("loop", "no epoll");
		abort();
	}
	list_init(&loop.kicks);
	list_init(&loop.tasks);
	evtimer_assign(&loop.limit, loop.base, on_limit, NULL);
	loop.ends_fd = epoll_create1(EPOLL_CLOEXEC);
	assert(loop.ends_fd >= 0);
	event_assign(&loop.ends, loop.base, loop.ends_fd, EV_READ | EV_PERSIST, on_ends, NULL);
	ret = event_add(&loop.ends, NULL);
	assert(ret == 0);
	/* A peer that closes early is an error of write(2), not the end of the process. */
	(void)signal(SIGPIPE, SIG_IGN);
}

void loop_done(void)
{
	struct slow *slow;
	size_t at = 0, i;

	if (!loop.base)
		return;
	assert(!loop.in_turn);
	for (i = 0; i < ARRAY_SIZE(loop.handlers); i++) {
		if (loop.handlers[i])
			event_del(&loop.handlers[i]->event);
		free(loop.handlers[i]);
	}
	while ((slow = map_next(&loop.slow, &at)))
		free(slow);
	map_done(&loop.slow);
	event_del(&loop.ends);
	close(loop.ends_fd);
	map_done(&loop.enders);
	event_base_free(loop.base);
	memset(&loop, 0, sizeof(loop));
}

static void log_slow(const char *name, uint64_t now_us, uint64_t took_us)
{
	struct slow *slow = map_get_str(&loop.slow, name);

	if (!slow) {
		slow = XNEW(struct slow);
		slow->name = name;
		map_put_str(&loop.slow, slow->name, slow);
	} else if (now_us - slow->logged_us < SLOW_PAUSE_US) {
		slow->unsaid++;
		return;
	}
	log_warning("loop", "callback %s took %u.%03u ms (%u more were slow since the last line)",
		name, (unsigned)(took_us / 1000), (unsigned)(took_us % 1000), slow->unsaid);
	slow->logged_us = now_us;
	slow->unsaid = 0;
}

static uint64_t call_begin(void)
{
	uint64_t now_us = clock_us();

	loop.calls++;
	loop.yield_us = now_us + YIELD_US;
	loop.looked_us = now_us;
	loop.stride = 1;
	loop.to_look = 0;
	loop.is_late = false;
	return now_us;
}

static void call_end(const char *name, uint64_t began_us)
{
	uint64_t now_us = clock_us(), took_us = now_us - began_us;

	loop.yield_us = 0;
	loop.is_late = false;
	if (took_us > loop.longest_us) {
		loop.longest_us = took_us;
		loop.longest_name = name;
	}
	if (took_us > SLOW_US)
		log_slow(name, now_us, took_us);
}

static void take_all(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

/* Runs the watch's callback; the watch may be gone afterwards. */
static void watch_call(struct loop_watch *watch, unsigned events)
{
	const char *name = watch->name;
	uint64_t began_us = call_begin();

	watch->kicked &= ~events;
	if (!watch->kicked)
		list_remove(&watch->kick);
	watch->callback(events, watch->arg);
	call_end(name, began_us);
}

static void run_kicks(struct list *kicks)
{
	while (!list_empty(kicks)) {
		struct loop_watch *watch = CONTAINER_OF(kicks->next, struct loop_watch, kick);

		watch_call(watch, watch->kicked);
	}
}

static void run_tasks(struct list *tasks)
{
	while (!list_empty(tasks)) {
		struct loop_task *task = CONTAINER_OF(tasks->next, struct loop_task, node);
		const char *name = task->name;
		uint64_t began_us = call_begin();

		list_remove(&task->node);
		task->callback(task->arg);
		call_end(name, began_us);
	}
}

/* Waits for the first callback, or for the limit, and runs all that are ready. */
static void wait_and_dispatch(int timeout_ms)
{
	uint64_t calls = loop.calls;

	if (timeout_ms > 0) {
		struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

		event_add(&loop.limit, &limit);
	}
	loop.is_limit_reached = false;
	do {
		int ret = event_base_loop(loop.base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);

		assert(ret == 0);
	} while (loop.calls == calls && !loop.is_limit_reached);
	if (timeout_ms > 0)
		event_del(&loop.limit);
}

void loop_turn(int timeout_ms)
{
	struct list kicks, tasks;

	assert(loop.base && !loop.in_turn);
	loop.in_turn = true;
	log_hold(true);
	take_all(&kicks, &loop.kicks);
	if (timeout_ms == 0 || !list_empty(&kicks) || !list_empty(&loop.tasks))
		/* EVLOOP_ONCE, too: else it goes on for as long as anything is ready. */
		event_base_loop(loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	else
		wait_and_dispatch(timeout_ms);
	run_kicks(&kicks);
	take_all(&tasks, &loop.tasks);
	run_tasks(&tasks);
	log_hold(false);
	loop.in_turn = false;
}

void loop_run(void)
{
	while (!loop.is_stopped)
		loop_turn(-1);
	loop.is_stopped = false;
}

void loop_stop(void)
{
	loop.is_stopped = true;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	watch_call(arg, what & EV_READ ? LOOP_READ : LOOP_WRITE);
}

static void tell_end(struct loop_watch *watch, uint32_t what)
{
	unsigned events = LOOP_ENDED | (what & (EPOLLHUP | EPOLLERR) ? LOOP_GONE : 0);

	events &= ~watch->told;
	watch->told |= events;
	if (events)
		watch_call(watch, events);
}

/* One at a time: a callback may free any watch. */
static void on_ends(evutil_socket_t fd, short what, void *arg)
{
	struct epoll_event event;
	int i;

	for (i = 0; i < ENDS_TURN && epoll_wait(loop.ends_fd, &event, 1, 0) == 1; i++) {
		struct loop_watch *watch =
			map_get(&loop.enders, &event.data.u64, sizeof(event.data.u64));

		if (watch)
			tell_end(watch, event.events);
	}
}

static void watch_interest(struct event *event, bool is_wanted)
{
	int ret = is_wanted ? event_add(event, NULL) : event_del(event);

	/* Fails for what epoll cannot watch and for what is no descriptor: a bug of the caller. */
	assert(ret == 0);
}

struct loop_watch *loop_watch_new(const char *name, int fd, unsigned events,
	void (*callback)(unsigned events, void *arg), void *arg)
{
	struct loop_watch *watch = XNEW(struct loop_watch);

	assert(loop.base && fd >= 0 && callback);
	watch->name = name;
	watch->callback = callback;
	watch->arg = arg;
	event_assign(&watch->read, loop.base, fd, EV_READ | EV_PERSIST, on_ready, watch);
	event_assign(&watch->write, loop.base, fd, EV_WRITE | EV_PERSIST, on_ready, watch);
	loop_watch_set(watch, events);
	return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned events)
{
	unsigned changed = watch->events ^ events;

	watch->events = events;
	if (changed & LOOP_READ)
		watch_interest(&watch->read, events & LOOP_READ);
	if (changed & LOOP_WRITE)
		watch_interest(&watch->write, events & LOOP_WRITE);
}

void loop_watch_end(struct loop_watch *watch)
{
	struct epoll_event event = { .events = EPOLLRDHUP | EPOLLET };
	int ret;

	assert(!watch->number);
	watch->number = event.data.u64 = ++loop.last_number;
	map_put(&loop.enders, &watch->number, sizeof(watch->number), watch);
	ret = epoll_ctl(loop.ends_fd, EPOLL_CTL_ADD, event_get_fd(&watch->read), &event);
	assert(ret == 0);
}

static void forget_end(struct loop_watch *watch)
{
	if (!watch->number)
		return;
	map_del(&loop.enders, &watch->number, sizeof(watch->number));
	/* Fails when the descriptor was closed already, which has taken it out. */
	(void)epoll_ctl(loop.ends_fd, EPOLL_CTL_DEL, event_get_fd(&watch->read), NULL);
}

void loop_watch_kick(struct loop_watch *watch, unsigned events)
{
	if (!events)
		return;
	if (!watch->kicked)
		list_append(&loop.kicks, &watch->kick);
	watch->kicked |= events;
}

void loop_watch_free(struct loop_watch *watch)
{
	if (!watch)
		return;
	if (loop.base) {
		list_remove(&watch->kick);
		forget_end(watch);
		loop_watch_set(watch, 0);
	}
	free(watch);
}

/* Has libevent fire at due_us, or earlier. */
static void timer_arm(struct loop_timer *timer, uint64_t now_us)
{
	uint64_t wait_us = timer->due_us > now_us ? timer->due_us - now_us : 0;
	struct timeval wait;

	if (wait_us > WAIT_MAX_US)
		wait_us = WAIT_MAX_US;
	wait.tv_sec = (time_t)(wait_us / 1000000);
	wait.tv_usec = (suseconds_t)(wait_us % 1000000);
	timer->armed_us = now_us + wait_us;
	event_add(&timer->event, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;
	const char *name = timer->name;
	uint64_t began_us = clock_us();

	timer->armed_us = 0;
	if (timer->due_us > began_us) {
		timer_arm(timer, began_us);
		return;
	}
	timer->due_us = 0;
	began_us = call_begin();
	timer->callback(timer->arg);
	call_end(name, began_us);
}

struct loop_timer *loop_timer_new(const char *name, void (*callback)(void *arg), void *arg)
{
	struct loop_timer *timer = XNEW(struct loop_timer);

	assert(loop.base && callback);
	timer->name = name;
	timer->callback = callback;
	timer->arg = arg;
	evtimer_assign(&timer->event, loop.base, on_timer, timer);
	return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t ms)
{
	uint64_t now_us = clock_us();

	if (ms > (UINT64_MAX - now_us) / 1000)
		ms = (UINT64_MAX - now_us) / 1000;
	timer->due_us = now_us + ms * 1000;
	if (!timer->armed_us || timer->armed_us > timer->due_us)
		timer_arm(timer, now_us);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (!timer)
		return;
	timer->due_us = 0;
	if (timer->armed_us && loop.base)
		event_del(&timer->event);
	timer->armed_us = 0;
}

bool loop_timer_active(const struct loop_timer *timer)
{
	return timer && timer->due_us;
}

void loop_timer_free(struct loop_timer *timer)
{
	loop_timer_stop(timer);
	free(timer);
}

struct loop_task *loop_task_new(const char *name, void (*callback)(void *arg), void *arg)
{
	struct loop_task *task = XNEW(struct loop_task);

	assert(callback);
	task->name = name;
	task->callback = callback;
	task->arg = arg;
	return task;
}

void loop_task_schedule(struct loop_task *task)
{
	assert(loop.base);
	if (!task->node.next)
		list_append(&loop.tasks, &task->node);
}

bool loop_task_scheduled(const struct loop_task *task)
{
	return task && task->node.next;
}

void loop_task_free(struct loop_task *task)
{
	if (!task)
		return;
	if (loop.base)
		list_remove(&task->node);
	free(task);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop_handler *handler = arg;
	uint64_t began_us = call_begin();

	handler->callback((int)fd, handler->arg);
	call_end("signal", began_us);
}

void loop_signal(int signo, void (*callback)(int signo, void *arg), void *arg)
{
	struct loop_handler *handler = XNEW(struct loop_handler);
	int ret;

	assert(loop.base && callback);
	assert(signo > 0 && signo < SIGNAL_COUNT && !loop.handlers[signo]);
	handler->callback = callback;
	handler->arg = arg;
	evsignal_assign(&handler->event, loop.base, signo, on_signal, handler);
	ret = event_add(&handler->event, NULL);
	assert(ret == 0);
	loop.handlers[signo] = handler;
}

/* A look at the clock can cost more than what is done between two: where the kernel is a guest's, far more. As
 * long as the calls follow each other quickly, only some of them look. */
bool loop_should_yield(void)
{
	uint64_t now_us;

	if (!loop.yield_us || loop.is_late)
		return loop.is_late;
	if (loop.to_look) {
		loop.to_look--;
		return false;
	}
	now_us = clock_us();
	if (now_us - loop.looked_us > LOOK_US)
		loop.stride = loop.stride > 1 ? loop.stride / 2 : 1;
	else if (loop.stride < STRIDE_MAX)
		loop.stride *= 2;
	loop.to_look = loop.stride - 1;
	loop.looked_us = now_us;
	loop.is_late = now_us >= loop.yield_us;
	return loop.is_late;
}

uint64_t loop_longest_us(const char **ret_name, bool reset)
{
	uint64_t longest_us = loop.longest_us;

	if (ret_name)
		*ret_name = loop.longest_name ? loop.longest_name : "";
	if (reset) {
		loop.longest_us = 0;
		loop.longest_name = NULL;
	}
	return longest_us;
}
