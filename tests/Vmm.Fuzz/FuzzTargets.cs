namespace Vmm.Fuzz;

/// <summary>All targets.</summary>
public static class FuzzTargets
{
    /// <summary>In the order of their names.</summary>
    public static IReadOnlyList<IFuzzTarget> All { get; } =
    [
        .. typeof(IFuzzTarget).Assembly.GetTypes()
            .Where(t => t is { IsClass: true, IsAbstract: false } && t.IsAssignableTo(typeof(IFuzzTarget)))
            .Select(t => (IFuzzTarget)Activator.CreateInstance(t)!)
            .OrderBy(t => t.Name, StringComparer.Ordinal),
    ];

    /// <summary>The target of a name, or null.</summary>
    public static IFuzzTarget? Find(string name) => All.FirstOrDefault(t => t.Name == name);
}
