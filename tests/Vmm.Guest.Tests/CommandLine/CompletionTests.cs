using System.Diagnostics;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.CommandLine;

/// <summary>What bash completes, by the function that a user's bash has.</summary>
public class CompletionTests
{
    [ExecutableFact]
    public void Bash_EveryVerb_IsCompletedWithItsVerbsAndOptions()
    {
        List<(string Path, string[] Words)> wanted = [];
        Collect("", wanted);

        Dictionary<string, string[]> offered = Complete(wanted.Select(w => w.Path));

        Assert.True(wanted.Count > 60, $"{wanted.Count} verbs");
        foreach ((string path, string[] words) in wanted) Assert.True(words.All(offered[path].Contains), $"'vmm {path}' lacks {string.Join(' ', words.Except(offered[path]))}");
    }

    // A verb with what its help names: the verbs below it, or its long options.
    private static void Collect(string path, List<(string Path, string[] Words)> all)
    {
        string[] help = Run(Repository.Vmm, [.. path.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]).Split('\n');
        string[] Section(string title) => [.. help.SkipWhile(l => l != title).Skip(1).TakeWhile(l => l.StartsWith("  ", StringComparison.Ordinal))];
        string[] below = [.. Section("Commands:").Select(l => l.Trim().Split(' ')[0])];
        string[] options = [.. Section("Options:").SelectMany(l => l.Trim().Split("  ")[0].Split(' ', ',')).Where(w => w.StartsWith("--", StringComparison.Ordinal))];
        if (below.Length != 0) all.Add((path.Length == 0 ? "" : path + " ", below));
        else all.Add(($"{path} --", options));
        foreach (string verb in below) Collect($"{path} {verb}".Trim(), all);
    }

    private static Dictionary<string, string[]> Complete(IEnumerable<string> lines)
    {
        const string Script = """
            source "$1"; shift; vmm=$1; shift
            for line; do
              COMP_LINE="$vmm $line" COMP_POINT=$((${#vmm} + 1 + ${#line}))
              read -ra COMP_WORDS <<<"$COMP_LINE"
              [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
              COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
              _vmm
              printf '%s\t%s\n' "$line" "${COMPREPLY[*]}"
            done
            """;
        string answer = Run("bash", ["-c", Script, "bash", Path.Combine(Repository.Root, "examples", "completion.bash"), Repository.Vmm, .. lines]);
        return answer.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).ToDictionary(l => l[0], l => l[1].Split(' '));
    }

    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }
}
