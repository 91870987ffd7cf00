# bash completion for hearthctl
_hearthctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb= i
	local verbs="status devices device bus plan tariff events event commands vpp outbox reserve override ev why log config reload dump ping version"
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--host | --port | --username | --password-file | --site | --root | --timeout) ((i++)) ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $verb in
	"") mapfile -t COMPREPLY < <(compgen -W "$verbs --host --port --username --password-file --site --root --json --timeout --help --version" -- "$cur") ;;
	status) mapfile -t COMPREPLY < <(compgen -W "--watch --json" -- "$cur") ;;
	plan)
		if [[ ${COMP_WORDS[COMP_CWORD - 1]} == solve ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "solve refresh --json" -- "$cur")
		fi
		;;
	event) mapfile -t COMPREPLY < <(compgen -W "opt-out opt-in reserve" -- "$cur") ;;
	override) mapfile -t COMPREPLY < <(compgen -W "auto hold charge discharge clear pause resume --power --for --until" -- "$cur") ;;
	ev) mapfile -t COMPREPLY < <(compgen -W "off solar cheap now ready --by --energy" -- "$cur") ;;
	outbox) mapfile -t COMPREPLY < <(compgen -W "retry --json" -- "$cur") ;;
	config)
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		check | show) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "check show" -- "$cur") ;;
		esac
		;;
	*) mapfile -t COMPREPLY < <(compgen -W "--json" -- "$cur") ;;
	esac
}
complete -F _hearthctl hearthctl
