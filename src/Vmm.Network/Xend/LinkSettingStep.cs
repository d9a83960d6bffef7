using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>Gives a setting of an interface its earlier value, whatever the interface is called by then.</summary>
/// <param name="Index">The interface's number, which never changes.</param>
/// <param name="Family">"ipv4" or "ipv6".</param>
/// <param name="Setting">The setting.</param>
/// <param name="Value">Its earlier value.</param>
public sealed record LinkSettingStep(int Index, string Family, string Setting, string Value) : UndoStep
{
    /// <summary>What it is now.</summary>
    /// <returns>Null where the kernel has no such setting.</returns>
    internal static LinkSettingStep? Of(LinkInfo link, string family, string setting)
        => Sysctl.Read(NameOf(link, family, setting)) is { } value ? new(link.Index, family, setting, value) : null;

    internal override string What => $"put {Setting} back";

    internal override void Undo(UndoContext context)
    {
        if (context.Host.Links().FirstOrDefault(l => l.Index == Index) is { } link) Sysctl.WriteIfThere(NameOf(link, Family, Setting), Value);
    }

    private static string NameOf(LinkInfo link, string family, string setting) => $"{family}/conf/{link.Name}/{setting}";
}
