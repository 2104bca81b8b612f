#include "measure/cores.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace kablate {
namespace {

TEST(QuotaCores, OfVersion2AreTheSmallestOnTheWayUp) {
  const TemporaryFolder root;
  root.write("proc/self/cgroup", "0::/pod/box\n");
  EXPECT_FALSE(quota_cores(root.path()));
  root.write("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
  EXPECT_FALSE(quota_cores(root.path()));
  root.write("sys/fs/cgroup/pod/cpu.max", "350000 100000\n");
  EXPECT_EQ(quota_cores(root.path()), 3);
  root.write("sys/fs/cgroup/pod/box/cpu.max", "100000 50000\n");
  EXPECT_EQ(quota_cores(root.path()), 2);
}

TEST(QuotaCores, OfLessThanOneAreOne) {
  const TemporaryFolder root;
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/cpu.max", "20000 100000\n");
  EXPECT_EQ(quota_cores(root.path()), 1);
}

TEST(QuotaCores, OfVersion1) {
  const TemporaryFolder root;
  root.write("proc/self/cgroup", "9:memory:/box\n4:cpu,cpuacct:/box\n0::/\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(quota_cores(root.path()));
  root.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "400000\n");
  EXPECT_EQ(quota_cores(root.path()), 4);
}

// Inside a container /proc may name a group that only the host sees; the mount itself is the container's.
TEST(QuotaCores, WhereTheGroupsPathIsTheHosts) {
  const TemporaryFolder root;
  root.write("proc/self/cgroup", "4:cpu,cpuacct:/docker/0123\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota_cores(root.path()), 2);
}

TEST(AvailableCores, AreAtLeastOneAndNoMoreThanTheQuota) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_LE(available_cores(), quota_cores().value_or(1 << 20));
}

TEST(BusyCores, AreSomeNumberOfThem) {
  const auto busy = busy_cores(0.05);
  ASSERT_TRUE(busy);
  EXPECT_GE(*busy, 0);
}

}  // namespace
}  // namespace kablate
