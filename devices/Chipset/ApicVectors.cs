using System.Numerics;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The priority logic of a local APIC (Intel SDM vol. 3 §11.8): which vectors are requested (IRR), in service (ISR) and level-triggered
/// (TMR), 32 vectors in each of eight registers. Works on the APIC's register file; the APIC's lock guards it.
/// </summary>
internal sealed class ApicVectors(uint[] registers)
{
    private const int Words = 8;
    private const uint ClassMask = 0xf0;

    /// <summary>PPR: the higher of the task priority and the priority in service.</summary>
    public uint ProcessorPriority
    {
        get
        {
            uint task = registers[ApicRegister.TPR];
            uint inService = (uint)Math.Max(Highest(ApicRegister.ISR), 0) & ClassMask;
            return (task & ClassMask) >= inService ? task : inService;
        }
    }

    /// <summary>A requested vector is above the processor priority.</summary>
    public bool HasDeliverable => Highest(ApicRegister.IRR) is >= 0 and int vector && ((uint)vector & ClassMask) > (ProcessorPriority & ClassMask);

    public void Request(byte vector, bool isLevel)
    {
        Set(ApicRegister.IRR, vector);
        if (isLevel) Set(ApicRegister.TMR, vector);
        else Clear(ApicRegister.TMR, vector);
    }

    /// <summary>Moves the highest deliverable vector from request to service.</summary>
    public bool TryTake(out byte vector)
    {
        vector = 0;
        if (!HasDeliverable) return false;
        vector = (byte)Highest(ApicRegister.IRR);
        Clear(ApicRegister.IRR, vector);
        Set(ApicRegister.ISR, vector);
        return true;
    }

    /// <summary>Ends the highest vector in service. False: there was none.</summary>
    public bool TryEnd(out byte vector, out bool isLevel)
    {
        int highest = Highest(ApicRegister.ISR);
        vector = (byte)highest;
        isLevel = false;
        if (highest < 0) return false;
        Clear(ApicRegister.ISR, vector);
        isLevel = (registers[ApicRegister.TMR + (vector >> 5)] & Bit(vector)) != 0;
        return true;
    }

    private static uint Bit(byte vector) => 1u << (vector & 31);

    private void Set(int first, byte vector) => registers[first + (vector >> 5)] |= Bit(vector);

    private void Clear(int first, byte vector) => registers[first + (vector >> 5)] &= ~Bit(vector);

    private int Highest(int first)
    {
        for (int i = Words - 1; i >= 0; i--)
        {
            uint word = registers[first + i];
            if (word != 0) return i * 32 + BitOperations.Log2(word);
        }

        return -1;
    }
}
