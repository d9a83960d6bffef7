using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>The programs that hook scripts know xenstore by: this executable, under their names.</summary>
public static class StorePrograms
{
    /// <summary>Their folder in that of the networks.</summary>
    internal const string FolderName = "bin";

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["xenstore-read", "xenstore-write", "xenstore-list", "xenstore-exists", "xenstore-rm"];

    /// <summary>Makes them.</summary>
    internal static void Install(NetworkStore networks, string program)
    {
        string folder = Path.Combine(networks.Folder, FolderName);
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string name in Names)
            {
                string path = Path.Combine(folder, name);
                if (new FileInfo(path).LinkTarget == program) continue;
                File.Delete(path);
                File.CreateSymbolicLink(path, program);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{folder}: {e.Message}", e);
        }
    }

    /// <summary>Is one of them.</summary>
    /// <param name="name">Which.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="output">Takes what it says.</param>
    /// <param name="errors">Takes what is wrong.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string name, IReadOnlyList<string> arguments, Action<string> output, Action<string> errors)
    {
        if (Environment.GetEnvironmentVariable(ScriptStore.Variable) is not { Length: > 0 } path)
        {
            errors($"{name}: this is vmm's, for hook scripts: {ScriptStore.Variable} is not set");
            return 1;
        }

        ScriptStore store = new(path);
        string[] given = [.. arguments.SkipWhile(a => a.StartsWith('-'))];
        bool hasPath = arguments.Contains("-p");
        return name switch
        {
            "xenstore-write" => Write(store, given, errors),
            "xenstore-list" => All(given, key => Print(store.List(key), output), key => errors($"xenstore-list: could not list path {key}")),
            "xenstore-exists" => All(given, key => store.Read(key) is not null || store.List(key).Count != 0, _ => { }),
            "xenstore-rm" => All(given, store.Remove, key => errors($"xenstore-rm: could not remove path {key}")),
            _ => All(given, key => PrintValue(store, key, hasPath, output), key => errors($"xenstore-read: couldn't read path {key}")),
        };
    }

    private static int Write(ScriptStore store, string[] given, Action<string> errors)
    {
        if (given.Length == 0 || given.Length % 2 != 0)
        {
            errors("Usage: xenstore-write key value [...]");
            return 1;
        }

        bool isDone = store.Write([.. given.Chunk(2).Select(pair => (pair[0], pair[1]))]);
        if (!isDone) errors($"could not write path {given[0]}");
        return isDone ? 0 : 1;
    }

    private static int All(string[] keys, Func<string, bool> work, Action<string> fail)
    {
        foreach (string key in keys)
        {
            if (work(key)) continue;
            fail(key);
            return 1;
        }

        return keys.Length == 0 ? 1 : 0;
    }

    private static bool PrintValue(ScriptStore store, string key, bool hasPath, Action<string> output)
    {
        if (store.Read(key) is not { } value) return false;
        output(hasPath ? $"{key}: {value}" : value);
        return true;
    }

    private static bool Print(IReadOnlyList<string> names, Action<string> output)
    {
        foreach (string name in names) output(name);
        return names.Count != 0;
    }
}
