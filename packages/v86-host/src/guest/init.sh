#!/bin/busybox sh
# The first program of a guest in v86: loads the modules in /modules, then carries out the host's commands from its
# second serial port, and offers a shell on the first. The host and this script say on the second port
#
#   guest: "ready BOOT"                        once; BOOT is the id of this boot
#   host:  "run TOKEN SCRIPT_SIZE INPUT_SIZE"  a shell script, and its standard input
#   guest: "next SIZE"                         send that many bytes of it, script first; again until all is here
#   host:  "kill TOKEN"                        while it runs
#   guest: "done TOKEN STATUS OUTPUT_SIZE ERROR_SIZE", and after the line that many bytes of output and of errors
#
# one command at a time.
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /root /run/agent
mount -t devpts devpts /dev/pts
hostname guest
ip link set lo up

while read -r file; do
  insmod "/modules/$file" || echo "init: $file was not loaded" >/dev/console
done </modules/order

# What the kernel keeps of input that nobody has read yet is less than 64 KiB; more would be lost.
largest_piece=16384

# receive SIZE: copies that many bytes from the host to standard output.
receive() {
  left=$1
  while [ "$left" -gt 0 ]; do
    size=$((left < largest_piece ? left : largest_piece))
    echo "next $size" >&3
    dd bs="$size" count=1 iflag=fullblock <&3 2>/dev/null
    left=$((left - size))
  done
}

# execute TOKEN: in a session of its own, so that all its processes can be killed.
execute() {
  setsid sh -c 'echo $$ >pid; cd /; exec sh /run/agent/script' <input >output 2>errors 3>&-
  status=$?
  rm pid
  echo "done $1 $status $(stat -c %s output) $(stat -c %s errors)" >&3
  cat output errors >&3
}

serve() {
  exec 3<>/dev/ttyS1
  stty raw -echo 115200 <&3
  read -r boot </proc/sys/kernel/random/boot_id
  echo "ready $boot" >&3
  while read -r verb token script_size input_size <&3; do
    case $verb in
    run)
      receive "$script_size" >script
      receive "$input_size" >input
      execute "$token" &
      ;;
    kill) read -r pid <pid && kill -KILL -"$pid" ;;
    esac
  done
}

cd /run/agent
serve 2>/dev/null &
cd /
while :; do
  setsid sh -c 'exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'
done
