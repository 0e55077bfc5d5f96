#!/bin/sh
# The first program in namespaces of its own: builds a root of what systemd needs, and becomes systemd.
#
#     unshare --pid --fork --mount --cgroup --uts --ipc --net sh machine.sh ROOT PYTHON PACKAGES SOURCE
#
# Python's installation, its packages and ours are bound read-only below /opt; nothing outside of ROOT is changed.
set -eu
root=$1 python=$2 packages=$3 source=$4
mount -t tmpfs -o mode=755 machine "$root"
cd "$root"
mkdir -p usr etc/systemd/system etc/windrow run tmp srv root var/lib var/log dev proc sys opt/python opt/packages opt/source units
mount --rbind /usr usr
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
ln -s ../run var/run
mount --bind -o ro "$python" opt/python
mount --bind -o ro "$packages" opt/packages
mount --bind -o ro "$source" opt/source
mount -t tmpfs -o mode=755 machine dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
touch dev/console
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t proc proc proc
mount -t tmpfs -o mode=755 machine run
chmod 1777 tmp dev/shm
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files systemd\ngroup: files systemd\n' >etc/nsswitch.conf
: >etc/machine-id
# A Python built for another place looks for its library there, where no service may look, then here.
printf '/opt/python/lib\n/usr/lib/%s-linux-gnu\n' "$(uname -m)" >etc/ld.so.conf
chroot . /sbin/ldconfig

# The units that a service stands on, and the journal; none of what a whole machine has.
for unit in sysinit basic multi-user network-online time-sync shutdown umount sockets timers paths slices local-fs; do
  cp "/usr/lib/systemd/system/$unit.target" units/
done
cp /usr/lib/systemd/system/systemd-journald.service /usr/lib/systemd/system/systemd-journald.socket \
  /usr/lib/systemd/system/systemd-journald-dev-log.socket units/
mkdir units/sysinit.target.wants
ln -s ../systemd-journald.service units/sysinit.target.wants/
mount --bind units usr/lib/systemd/system

# windrow where README installs it.
version=$(chroot . /opt/python/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
chroot . "/opt/python/bin/$version" -m venv --without-pip /opt/windrow
printf '/opt/source\n/opt/packages\n' >"opt/windrow/lib/$version/site-packages/windrow.pth"
printf '#!/opt/windrow/bin/python\nimport sys\n\nfrom windrow.cli import main\n\nsys.exit(main())\n' >opt/windrow/bin/windrow
chmod 755 opt/windrow/bin/windrow
exec chroot . env -i PATH=/usr/bin:/usr/sbin container=windrow-test \
  /usr/lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=0
