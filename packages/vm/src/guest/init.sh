#!/bin/busybox sh
# The guest's first program: loads modules, makes the root file system, and hands over to the agent there.
# /config, written at launch, says what to do: root_tree, network, modules_directory, slots.
set -e
. /config
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

while read -r file; do
  insmod "/modules/$file" || echo "init: $file was not loaded" >/dev/console
done </modules/order

# The root: files of the host, all or those of a system in a directory, with a memory file system above them, so that
# everything can be written and the host sees none of it; or else this initramfs itself.
root=
if [ -n "$root_tree" ]; then
  root=/new
  mkdir /host /upper $root
  # Read-only and not changing while the guest runs: that is what cache=loose asks for.
  mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host
  mount -t tmpfs upper /upper
  mkdir /upper/files /upper/work
  mount -t overlay -o lowerdir=/host,upperdir=/upper/files,workdir=/upper/work overlay $root
  mkdir -p $root/host $root/proc $root/sys $root/dev $root/run $root/tmp $root/lib/modules
  mount --move /host $root/host
  for directory in proc sys dev; do # the host's are of no use, and endless to search
    mount -t tmpfs -o ro,size=4k hidden "$root/host/$directory" || true
    mount --move /$directory "$root/$directory"
  done
fi

# The guest's own /tmp and /run would hide directories that are needed: those are held elsewhere meanwhile.
n=0
while read -r directory; do
  n=$((n + 1))
  mkdir -p /held/$n
  mount --bind "$root$directory" /held/$n
done </visible
mount -t tmpfs run $root/run
mount -t tmpfs tmp $root/tmp
chmod 1777 $root/tmp
n=0
while read -r directory; do
  n=$((n + 1))
  mkdir -p "$root$directory"
  mount --move /held/$n "$root$directory"
done </visible
mkdir $root/run/skytale
cp -a /bin /agent /config $root/run/skytale/

[ -n "$root" ] && exec switch_root $root /run/skytale/bin/busybox sh /run/skytale/agent
exec /run/skytale/bin/busybox sh /run/skytale/agent
