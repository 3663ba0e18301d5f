# shellcheck shell=bash
# What the scripts of image/ and tests/ share. Sourced, never run.
#
# Everything slow that they make (kernel, Debian 13 tree) lands in a cache outside the checkout, in a
# directory named by the hash of what it is made from: there it is complete or absent, never in between.

ASHLAR_CACHE=${ASHLAR_CACHE:-${HOME:-/root}/.cache/ashlar}
ASHLAR_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# hash_of FILE...: short name for the contents of the files
hash_of()
{
	cat -- "$@" | sha256sum | cut -c1-16
}

# need_root: the caller changes network namespaces, mounts or packages
need_root()
{
	[ "$(id -u)" = 0 ] || die "needs root (network namespaces, mounts, packages)"
}

# missing_packages PACKAGE...: those that are not installed
missing_packages()
{
	local have
	have=$(dpkg-query -W -f='${Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^install ok installed //p' || true)
	printf '%s\n' "$@" | grep -vxF -e "${have:-/}" || true
}

# apt_knows: whether a list of packages has been fetched here at all
apt_knows() { compgen -G '/var/lib/apt/lists/*Release' >/dev/null; }

apt_install()
{
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install \
		"$@" >/dev/null </dev/null
}

# need_packages PACKAGE...: installs what is missing, without a question
need_packages()
{
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "these packages are missing: ${missing[*]}"
	say "installing ${missing[*]}"
	apt_knows || apt-get -qq update >&2
	# what apt knows may be old: what it says of that nobody needs to see
	apt_install "${missing[@]}" 2>/dev/null || { apt-get -qq update >&2 && apt_install "${missing[@]}"; } ||
		die "apt-get could not install ${missing[*]}"
}

# debian_mirror: the mirror that this host takes Debian itself from
debian_mirror()
{
	local uri codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	apt_knows || apt-get -qq update >&2
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' "Codename: $codename" 'Component: main' | head -n1)
	[ -n "$uri" ] || die "apt on this host knows no Debian mirror"
	printf '%s\n' "${uri%/}"
}

# debian13_apt DIR COMMAND...: an apt program that sees Debian 13 and nothing of this host's state
debian13_apt()
{
	local dir=$1 program=$2
	shift 2
	"$program" -qq -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$dir/lists" -o Dir::State::Status=/dev/null \
		-o Dir::Cache="$dir/cache" -o APT::Sandbox::User="$(id -un)" \
		-o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false \
		"$@"
}

# debian13_lists DIR SUITE...: makes DIR for debian13_apt, with what the mirror has now
debian13_lists()
{
	local dir=$1 mirror suite
	shift
	need_packages debian-archive-keyring
	mirror=$(debian_mirror)
	mkdir -p "$dir"/{lists/partial,cache/archives/partial}
	for suite; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
	done >"$dir/sources.list"
	debian13_apt "$dir" apt-get update || die "$mirror: no signed Debian 13 there"
}

# exclusively NAME: one builder of NAME at a time; the lock lives as long as the caller
exclusively()
{
	mkdir -p "$ASHLAR_CACHE"
	exec 9>"$ASHLAR_CACHE/.lock-$1"
	flock 9
}

# build_packages: what compiling the daemon takes on this release of Debian, one name a line
build_packages()
{
	printf '%s\n' gcc libc6-dev meson ninja-build pkgconf \
		libarchive-dev libblkid-dev libcmocka-dev libcrypt-dev libcurl4-openssl-dev libevent-dev \
		libjansson-dev libmbedtls-dev libmnl-dev libnl-3-dev libnl-genl-3-dev libssh-dev
	case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
	bookworm) echo libyang2-dev ;;
	*) echo libyang-dev ;;
	esac
}

# build_with DIR OPTION...: `meson setup` or a change of its options, then ninja; quiet when it works
build_with()
{
	local dir=$1 log
	shift
	log=$(mktemp)
	# meson configures anew whenever it is told options, be they the same
	if { if [ ! -e "$dir/build.ninja" ]; then
			meson setup "$dir" "$ASHLAR_TOP" "$@"
		elif [ "$*" != "$(cat "$dir/options" 2>/dev/null)" ]; then
			meson configure "$dir" "$@"
		fi && echo "$*" >"$dir/options" && ninja -C "$dir"; } >"$log" 2>&1; then
		rm -f "$log"
		return 0
	fi
	grep -v '^\[[0-9/]*\] [CL]' "$log" | tail -n 40 >&2
	rm -f "$log"
	return 1
}

# forget_old PREFIX: of the cache's directories PREFIX-*, all but the three used last
forget_old()
{
	find "$ASHLAR_CACHE" -maxdepth 1 -name "$1-*" -printf '%T@ %p\n' | sort -rn |
		tail -n +4 | cut -d' ' -f2- | xargs -r rm -rf --one-file-system
}
