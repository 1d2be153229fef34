# Process 1 of a running guest, in busybox's shell: carries out the host's commands. Each slot is two ports of a
# virtio serial device and runs one command at a time; host and guest say on the first port
#
#   guest: "ready BOOT"              once, when the slot is there; on the second port too
#   host:  "sync BOOT"               what stands before it was meant for the guest before a reset
#   host:  "TOKEN SIZE", SIZE bytes  a shell script
#   host:  "SIZE", SIZE bytes        its standard input, piece by piece; a size of 0 ends it
#   guest: any bytes                 its standard output; on the second port its standard error
#   guest: "TOKEN STATUS"            it has ended; on the second port too
#
# where TOKEN is long and random, so that no output contains it by chance.
state=/run/skytale
. $state/config
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$state/bin
export HOME=/root TERM=linux LANG=C.UTF-8

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
  ln -sf "${link#*:}" "/dev/${link%%:*}"
done
hostname guest
ip link set lo up
# An installed system has modules and a modprobe of its own.
[ "$root_tree" = system ] || echo $state/bin/modprobe >/proc/sys/kernel/modprobe
if [ "$root_tree" = host ]; then
  ln -sfn "/host$modules_directory" "/lib/modules/$(uname -r)"
fi
if [ "$network" = 1 ]; then # the addresses of QEMU's user-mode network
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  ip route add default via 10.0.2.2
  mkdir -p /etc
  rm -f /etc/resolv.conf # on many hosts a link to a file of the host's own resolver
  echo nameserver 10.0.2.3 >/etc/resolv.conf
fi

# take SIZE: copies exactly SIZE bytes from the port to standard output, and no byte more from the port.
take() {
  dd bs="$1" count=1 iflag=fullblock <&3 2>/dev/null
}

feed() {
  while read -r size <&3 && [ "$size" -gt 0 ]; do take "$size"; done
}

# Standard output and error go through pipes, as programs expect them to; the port itself has one opener.
execute() {
  {
    {
      setsid sh -c 'echo $$ >"$0/pid"; exec sh "$0/script"' "$directory" 2>&5 3>&- 4>&- 5>&-
      echo $? >"$directory/status"
    } | cat >&3 5>&-
  } 5>&1 | cat >&4
  rm -f "$directory/pid"
  read -r status <"$directory/status"
  echo "$token $status" >&3
  echo "$token $status" >&4
}

# serve SLOT PORT ERROR_PORT
serve() {
  exec 3<>"$2" 4<>"$3" </dev/null >/dev/console
  directory=$state/$1
  mkdir "$directory"
  read -r boot </proc/sys/kernel/random/boot_id
  echo "ready $boot" >&3
  echo "ready $boot" >&4
  until [ "$line" = "sync $boot" ]; do read -r line <&3 || return; done
  cd /
  while read -r token size <&3; do
    take "$size" >"$directory/script"
    feed | execute
  done
}

# port NUMBER: its device, once it is there.
port() {
  until set -- "$1" /dev/vport*p"$1" && [ -e "$2" ]; do sleep 0.02; done
  echo "$2"
}

# All slots are the members of one pipeline: commands in the background would have SIGINT ignored for ever.
serve_from() {
  if [ "$1" -lt "$slots" ]; then
    serve_slot "$1" | serve_from $(($1 + 1))
  else
    serve_slot "$1"
  fi
}

serve_slot() {
  serve "$1" "$(port $((2 * $1 - 1)))" "$(port $((2 * $1)))"
}

serve_from 1
poweroff -f
