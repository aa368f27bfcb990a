# Shared by the entry commands (check, demo, bench), tools/guests and the lab. Source it, do not run it:
#   . "$(dirname "$0")/tools/lib.sh"
# Needs bash. Everything here says what it does on standard error and leaves standard output to its caller.
# shellcheck shell=bash

# shellcheck disable=SC2034 # for whoever sources this
BATON_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${BATON_CACHE:-}" ]; then
	if [ "$(id -u)" = 0 ]; then
		BATON_CACHE=/var/cache/baton
	else
		BATON_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/baton
	fi
fi
export BATON_CACHE

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# A terminal is asked, everything else goes on by itself.
confirm() {
	local answer
	[ -t 0 ] || return 0
	read -r -p "$1 [Y/n] " answer
	case $answer in
	'' | [yYjJ]*) return 0 ;;
	*) return 1 ;;
	esac
}

debian_codename() {
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# --- Debian's archive ------------------------------------------------------------------------------------------------

# Finds the archive of release $1 in deb822 files on standard input.
archive_of_stanzas() {
	awk -v codename="$1" '
		function flush() {
			if (types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " codename " ") && uri != "" && !done) {
				print uri, codename, (key == "" ? "-" : key)
				done = 1
			}
			types = uri = suites = key = ""
		}
		/^[ \t]*$/ { flush(); next }
		/^Types:/ { sub(/^[^:]*:[ \t]*/, ""); types = $0 }
		/^URIs:/ { uri = $2 }
		/^Suites:/ { sub(/^[^:]*:[ \t]*/, ""); suites = $0 }
		/^Signed-By:[ \t]*\// { key = $2 }
		/^Enabled:[ \t]*no/ { uri = "" }
		END { flush() }'
}

# The same in one-line format.
archive_of_lines() {
	awk -v codename="$1" '
		$1 == "deb" && !done {
			key = "-"
			if (match($0, /signed-by=[^] ]+/)) {
				key = substr($0, RSTART + 10, RLENGTH - 10)
			}
			sub(/\[[^]]*\]/, "")
			if ($3 == codename) {
				print $2, $3, key
				done = 1
			}
		}'
}

# Prints "URI CODENAME KEYRING" of the machine's own Debian archive; KEYRING is "-" where none is named.
debian_archive() {
	local codename found file
	codename=$(debian_codename)
	[ -n "$codename" ] || die "this machine's /etc/os-release names no Debian release"
	found=$(for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -r "$file" ] || { cat "$file" && echo; }
	done | archive_of_stanzas "$codename")
	[ -n "$found" ] || found=$(for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -r "$file" ] || cat "$file"
	done | archive_of_lines "$codename")
	[ -n "$found" ] || die "apt's sources on this machine name no Debian archive for '$codename'"
	echo "$found"
}

# Sets APT (an array: apt-get with a state of its own in the folder $1) that knows the release and its backports, and
# nothing of what is installed. Nothing of the machine is changed by it.
apt_private() {
	local folder=$1 uri codename key options=
	local archive
	archive=$(debian_archive) || exit 1
	read -r uri codename key <<<"$archive"
	[ "$key" = - ] || options="[signed-by=$key] "
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	: >"$folder/status"
	printf 'deb %s%s %s main\n' "$options" "$uri" "$codename" "$options" "$uri" "$codename-backports" \
		>"$folder/sources.list"
	APT=(apt-get -q -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "Dir::State::status=$folder/status"
		-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3)
	# shellcheck disable=SC2034 # used by tools/guests
	APT_CACHE=(apt-cache "${APT[@]:2}")
}

# --- Packages --------------------------------------------------------------------------------------------------------

BACKPORTS_FILE=/etc/apt/sources.list.d/baton-backports.sources

# Runs a command with the rights of root.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root and there is no sudo; run it as root: $*"
	fi
}

# Prints the lines of the given lists (tools/packages/NAME), without comments.
package_lines() {
	local list
	for list in "$@"; do
		grep -vE '^[[:space:]]*(#|$)' "$BATON_TOP/tools/packages/$list"
	done
}

# True when package $1 is installed, in version $2 or newer if that is given.
package_satisfied() {
	local state
	state=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
	[ "${state%% *}" = installed ] || return 1
	[ -z "$2" ] || dpkg --compare-versions "${state#* }" ge "$2"
}

package_candidate() {
	LC_ALL=C apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# Prints "NAME VERSION" of what the lists name and this machine lacks.
packages_missing() {
	local names version name
	package_lines "$@" | while read -r names version; do
		for name in ${names//|/ }; do
			if package_satisfied "$name" "$version"; then
				continue 2
			fi
		done
		echo "$names $version"
	done
}

# Reads packages_missing's lines and prints the names to install, the first of each that the archive has.
packages_resolve() {
	local names name found
	while read -r names _; do
		found=
		for name in ${names//|/ }; do
			if [ -n "$(package_candidate "$name")" ]; then
				found=$name
				break
			fi
		done
		[ -n "$found" ] || die "Debian's archive has no package '$names'"
		echo "$found"
	done
}

backports_known() {
	LC_ALL=C apt-cache policy 2>/dev/null | grep -q "[/=]$(debian_codename)-backports[/,]"
}

# Prints the sources file for the backports of the machine's own mirror.
backports_source() {
	local archive uri codename key
	archive=$(debian_archive) || exit 1
	read -r uri codename key <<<"$archive"
	printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$uri" "$codename"
	[ "$key" = - ] || printf 'Signed-By: %s\n' "$key"
}

# Debian 12's QEMU is too old. Its backports come as a whole: half of them beside libraries of the release itself
# cannot be installed together.
backports_add() {
	local source
	say "Debian 12's QEMU is too old: the suite bookworm-backports of this machine's own mirror will be added as"
	say "$BACKPORTS_FILE, and what is missing, with what it depends on, comes from there"
	confirm "Go on?" || die "nothing was installed"
	source=$(backports_source) || exit 1
	echo "$source" | as_root tee "$BACKPORTS_FILE" >/dev/null
}

# Installs what the lists (build, run, lab, bench) name and this machine lacks. Says first what that is; at a terminal
# apt-get asks before it changes anything.
packages_install() {
	local missing names options=(-q --no-install-recommends)
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	say "this machine lacks these packages: $(echo "$missing" | awk '{ printf "%s ", $1 }')"
	[ -t 0 ] || options+=(-y)
	if [ "$(debian_codename)" = bookworm ]; then
		backports_known || backports_add
		options+=(-t bookworm-backports)
	fi
	as_root apt-get -q update >&2 || say "apt-get update reported errors; trying with the package lists that there are"
	names=$(packages_resolve <<<"$missing") || exit 1
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install $names >&2 ||
		die "apt-get could not install:" $names
}

# --- An ordinary user ------------------------------------------------------------------------------------------------

# Root prepares (packages, guests, images) and then goes on as somebody else: whoever called sudo, or a number that
# belongs to nobody. No account is made.
NOBODYS_ID=60917

ordinary_ids() {
	if [ "${SUDO_UID:-0}" != 0 ]; then
		echo "$SUDO_UID ${SUDO_GID:-$SUDO_UID}"
	else
		echo "$NOBODYS_ID $NOBODYS_ID"
	fi
}

# Groups that open the devices that are there: "kvm,video" as numbers, separated by commas. Not input's: seatd hands out
# keyboards, and no guest's QEMU has to be able to read them.
device_groups() {
	local node
	for node in /dev/kvm /dev/dri/card* /dev/dri/renderD*; do
		if [ -c "$node" ]; then
			stat -c %g "$node"
		fi
	done | sort -un | grep -vx 0 | paste -sd,
}

# A short name for this source tree, the same in every run.
tree_key() {
	printf '%s' "${BATON_ORIGIN:-$BATON_TOP}" | sha256sum | cut -c1-12
}

# Root makes the cache and keeps its top, with what is made there: in a folder of the ordinary user, who runs guests and
# tests, root could be led by a link to write somewhere else.
cache_make() {
	mkdir -p "$BATON_CACHE"
	if [ "$(id -u)" = 0 ]; then
		chown root:root "$BATON_CACHE"
	fi
}

# The folders of the cache in which the user $1 of group $2 writes.
cache_share() {
	local folder
	for folder in bench build home lab results; do
		mkdir -p "$BATON_CACHE/$folder"
		chown -R -h "$1:$2" "$BATON_CACHE/$folder"
	done
}

# Copies the source tree to where the ordinary user can read it and prints its place. Times are kept, so a build goes on
# from where it was.
tree_copy() {
	local copy
	copy=$BATON_CACHE/src/$(tree_key)
	rm -rf "$copy.new"
	mkdir -p "$copy.new"
	chown root:root "$BATON_CACHE/src" "$copy.new"
	tar -C "$BATON_TOP" --exclude=./.git -cf - . | tar -C "$copy.new" --no-same-owner -xf -
	chmod -R a+rX "$copy.new"
	rm -rf "$copy"
	mv -T "$copy.new" "$copy"
	echo "$copy"
}

# git on this tree, whoever owns it.
tree_git() {
	git -c safe.directory='*' -C "$BATON_TOP" "$@" 2>/dev/null
}

# A short name for what the files of this source tree contain.
tree_content() {
	(
		cd "$BATON_TOP" || exit 1
		if tree_git rev-parse HEAD >/dev/null; then
			tree_git ls-files -z --cached --others --exclude-standard
		else
			find . -name .git -prune -o -type f -print0
		fi | sort -zu | xargs -0 sha256sum 2>/dev/null | sha256sum | cut -c1-8
	)
}

# What is being checked: the commit, with a mark of what was changed since; "tree" where no commit is known.
tree_commit() {
	local head
	head=$(tree_git rev-parse --short=12 HEAD) || head=tree
	if [ "$head" = tree ] || [ -n "$(tree_git status --porcelain)" ]; then
		head=$head-$(tree_content)
	fi
	echo "$head"
}

# Called by root: starts the command of the source tree ($1, relative to it) anew as an ordinary user, with the rest of
# the arguments, and never returns.
ordinary_exec() {
	local ids uid gid groups copy command=$1
	shift
	ids=$(ordinary_ids)
	read -r uid gid <<<"$ids"
	groups=$(device_groups)
	cache_make
	copy=$(tree_copy) || die "cannot copy the source tree to $BATON_CACHE/src"
	cache_share "$uid" "$gid"
	say "going on as user $uid with a copy of the source tree in $copy"
	cd "$copy" || exit 1
	export BATON_ORIGIN=${BATON_ORIGIN:-$BATON_TOP} BATON_COMMIT
	BATON_COMMIT=$(tree_commit)
	unset XDG_RUNTIME_DIR XDG_CACHE_HOME XDG_CONFIG_HOME DBUS_SESSION_BUS_ADDRESS
	export HOME=$BATON_CACHE/home USER=baton LOGNAME=baton
	if [ -n "$groups" ]; then
		exec setpriv --reuid "$uid" --regid "$gid" --groups "$groups" -- "$copy/$command" "$@"
	fi
	exec setpriv --reuid "$uid" --regid "$gid" --clear-groups -- "$copy/$command" "$@"
}

# --- Surroundings ----------------------------------------------------------------------------------------------------

# The system's own programs only: what a person has installed besides (other Pythons) is not what was tested.
path_clean() {
	export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
	export LC_ALL=C.UTF-8
}

# A private runtime folder in BATON_RUNTIME, removed when the shell ends. Its path is short: sockets live in it.
runtime_make() {
	BATON_RUNTIME=$(mktemp -d /tmp/baton.XXXXXX) || exit 1
	trap 'rm -rf "$BATON_RUNTIME"' EXIT
	export BATON_RUNTIME
	if [ -z "${XDG_RUNTIME_DIR:-}" ] || [ ! -w "$XDG_RUNTIME_DIR" ]; then
		export XDG_RUNTIME_DIR=$BATON_RUNTIME
	fi
}

# Says how guests will run. $1: the build folder.
kvm_report() {
	local why
	[ -x "$1/tools/kvm-probe" ] || return 0
	if why=$("$1/tools/kvm-probe" 2>&1); then
		say "guests run under KVM"
	else
		say "guests run in software (TCG), slowly: $why"
	fi
}

# --- Building --------------------------------------------------------------------------------------------------------

# Prints the build folder of variant $1 (debug, sanitize).
build_folder() {
	echo "$BATON_CACHE/build/$(tree_key)-$1"
}

# Configures (once) and builds variant $1; the rest are meson's options. Everything it says goes to standard error.
build() {
	local variant=$1 folder
	shift
	folder=$(build_folder "$variant")
	mkdir -p "$BATON_CACHE/build"
	if [ "$(cat "$folder/baton-options" 2>/dev/null)" != "$BATON_TOP $*" ]; then
		rm -rf "$folder"
		meson setup "$@" "$folder" "$BATON_TOP" >&2 || return 1
		echo "$BATON_TOP $*" >"$folder/baton-options"
	fi
	ninja -C "$folder" >&2
}

build_debug() {
	build debug -Dwerror=true
}

build_sanitize() {
	build sanitize -Dwerror=true -Db_sanitize=address,undefined -Db_lundef=false
}
