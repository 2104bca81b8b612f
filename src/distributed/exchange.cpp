#include "distributed/exchange.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace kablate {
namespace {

constexpr std::size_t kHostBytes = 64;

std::vector<std::string> hosts_of_ranks(Collectives& collectives, const Transport& transport,
                                        const std::string& host) {
  std::vector<std::string> hosts;
  for (std::int64_t rank = 0; rank < transport.size(); ++rank) {
    char name[kHostBytes] = {};
    host.copy(name, kHostBytes - 1);
    collectives.broadcast(rank, name, kHostBytes);
    hosts.emplace_back(name);
  }
  return hosts;
}

}  // namespace

Exchange::Exchange(Order order) : order_(std::move(order)) {
  std::promise<void> connected;
  auto here = connected.get_future();
  thread_ = std::thread([this, &connected] { work(connected); });
  try {
    here.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

Exchange::~Exchange() {
  leaving_ = true;
  asked_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::future<void> Exchange::ask(std::function<void(Collectives&)> run) {
  Task task{std::move(run), {}};
  auto done = task.done.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (!failed_.empty()) throw WorkError(failed_);
    tasks_.push_back(std::move(task));
  }
  asked_.notify_one();
  return done;
}

void Exchange::wait(std::future<void>& pending) {
  ++waiting_;
  pending.wait();
  --waiting_;
  pending.get();
}

void Exchange::finish() {
  auto finished = finished_.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (!failed_.empty()) throw WorkError(failed_);
    finishing_ = true;
  }
  asked_.notify_one();
  finished.get();
}

// Whoever waits for a message gets it soonest from a thread that looks all the time; one that computes beside
// needs the core more.
void Exchange::pause(std::int64_t tries) const {
  constexpr std::int64_t kEager = 2000;
  if (waiting_ > 0 && tries < kEager)
    std::this_thread::yield();
  else
    std::this_thread::sleep_for(std::chrono::microseconds(waiting_ > 0 ? 20 : 300));
}

void Exchange::work(std::promise<void>& connected) {
  bool told = false;
  try {
    order_.begin();
    const auto transport = order_.connect();
    rank_ = transport->rank(), size_ = transport->size();
    std::unique_ptr<LifeSigns> signs;
    Collectives collectives(*transport, [&](std::int64_t tries) {
      if (signs) signs->look();
      if (leaving_) throw WorkError("the exchange between ranks was left");
      pause(tries);
    });
    const auto hosts = hosts_of_ranks(collectives, *transport, order_.host);
    signs = std::make_unique<LifeSigns>(*transport, hosts, order_.limits);
    connected.set_value(), told = true;
    work_off(collectives, *signs);
    if (!finishing_) return;
    transport->finish();
    finished_.set_value();
  } catch (const RankLost& lost) {
    order_.on_lost(lost.what());
    fail_all(lost.what());
  } catch (const std::exception& fault) {
    if (!told) return connected.set_exception(std::current_exception());
    fail_all(fault.what());
  }
}

// Until this rank leaves, or all ranks are at their end.
void Exchange::work_off(Collectives& collectives, LifeSigns& signs) {
  constexpr std::chrono::milliseconds kBetweenLooks{100};
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    if (tasks_.empty()) {
      if (finishing_) {
        signs.say_goodbye();
        if (signs.all_said_goodbye()) return;
      }
      asked_.wait_for(lock, finishing_ ? std::chrono::milliseconds(1) : kBetweenLooks);
    }
    const bool due = !tasks_.empty();
    Task task = due ? std::exchange(tasks_.front(), {}) : Task{};
    if (due) tasks_.pop_front();
    lock.unlock();
    try {
      signs.look();
      if (due) task.run(collectives);
    } catch (...) {
      lock.lock();
      if (due) tasks_.push_front(std::move(task));  // fail_all() says why
      throw;
    }
    if (due) task.done.set_value();
    lock.lock();
  }
}

void Exchange::fail_all(const std::string& why) {
  const std::lock_guard lock(mutex_);
  failed_ = why;
  for (auto& task : tasks_) task.done.set_exception(std::make_exception_ptr(WorkError(why)));
  tasks_.clear();
  if (finishing_) finished_.set_exception(std::make_exception_ptr(WorkError(why)));
}

}  // namespace kablate
